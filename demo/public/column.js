// @ts-check
import { Chart } from './chart.js'
import { Track } from './track.js'
import { duration, FAULTS, running } from './words.js'

/** @import { StageClient } from './stage-client.js' */
/** @import { Outage } from './track.js' */

/** Outages in the list; the chart shows all of the last minute. */
const MAX_ROWS = 4

/**
 * @typedef {object} ColumnOptions
 * @property {string} id Prefix of the column's `data-testid`s.
 * @property {string} title
 * @property {string} subtitle
 * @property {string} source The file that makes the connection.
 * @property {{ kind: string, at: number }[]} marks
 */

/** One connection on the page: its state, figures, chart and outages. */
export class Column {
  track = new Track()
  /** What the client's socket says of itself. @type {() => string} */
  says = () => this.track.readyState ?? ''
  element
  #chart
  /** @type {Record<string, HTMLElement>} */
  #parts = {}

  /** @param {ColumnOptions} options */
  constructor({ id, title, subtitle, source, marks }) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('column'))
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true))
    this.element = /** @type {HTMLElement} */ (fragment.firstElementChild)
    this.element.dataset['testid'] = id
    this.element.classList.add(id)
    for (const part of this.element.querySelectorAll('[data-part]')) {
      if (!(part instanceof HTMLElement)) continue
      const name = part.dataset['part'] ?? ''
      part.dataset['testid'] = `${id}-${name}`
      this.#parts[name] = part
    }
    this.#write('title', title)
    this.#write('subtitle', subtitle)
    this.#parts['title'].id = `${id}-title`
    this.element.setAttribute('aria-labelledby', `${id}-title`)
    this.#parts['source'].setAttribute('href', source)
    this.#parts['source'].setAttribute('aria-label', `Source of ${title}`)
    const canvas = /** @type {HTMLCanvasElement} */ (this.#parts['chart'])
    canvas.setAttribute('aria-label', `Heartbeats, readings and outages of the last minute, ${title}`)
    this.#chart = new Chart(canvas, this.track, marks)
  }

  /** @param {number} now @param {StageClient} stage @param {number} scaleMs the top of the chart */
  render(now, stage, scaleMs) {
    this.#renderState(now, stage)
    this.#renderFigures(now, stage)
    this.#renderOutages(now)
    this.#chart.draw(now, scaleMs)
  }

  /** @param {number} now @param {StageClient} stage */
  #renderState(now, stage) {
    const says = this.says()
    const { text, tone, detail } = this.#truth(now, stage)
    this.#write('says', says)
    this.#write('truth', text)
    this.#write('detail', detail.trim())
    const { says: saysPill, truth: truthPill } = this.#parts
    // What the socket says is green when it says it is well, true or not.
    saysPill.dataset['tone'] = says === 'OPEN' ? 'good' : 'warn'
    truthPill.dataset['tone'] = tone
    this.element.dataset['tone'] = tone
    this.element.toggleAttribute('data-lies', says === 'OPEN' && tone === 'bad')
  }

  /**
   * What the page knows, and the socket may not: which fault is in force.
   *
   * @param {number} now @param {StageClient} stage
   */
  #truth(now, stage) {
    const { track } = this
    const { trouble } = track
    const wait =
      stage.cable !== 'in' ? 'The network is not back yet.' : stage.serverIsUp ? '' : 'The server is not back yet.'
    const since = running(now - (track.endedAt ?? now))
    switch (track.readyState) {
      case 'OPEN': {
        if (!trouble) return { text: 'ALIVE', tone: 'good', detail: 'Everything arrives.' }
        const dead = running(now - trouble.brokenAt)
        return stage.cable === 'oneWay'
          ? {
              text: 'HALF DEAD',
              tone: 'bad',
              detail: `Readings come in, but for ${dead} the server has heard nothing.`,
            }
          : { text: 'DEAD', tone: 'bad', detail: `It has been dead for ${dead} and does not know.` }
      }
      case 'CLOSING':
        return { text: 'DEAD', tone: 'bad', detail: `Has waited ${since} for its own close event.` }
      case 'CONNECTING':
        return {
          text: 'NOT CONNECTED',
          tone: 'warn',
          detail: `Has tried to connect for ${running(now - track.beganAt)}. ${wait}`,
        }
      default:
        return { text: 'NOT CONNECTED', tone: 'warn', detail: `The next attempt comes within a second. ${wait}` }
    }
  }

  /** @param {number} now @param {StageClient} stage */
  #renderFigures(now, stage) {
    const { track } = this
    const { outage, trouble } = track
    this.#figure('silence', track.lastFrameAt === undefined ? '–' : running(now - track.lastFrameAt))
    this.#parts['silence'].classList.toggle(
      'running',
      track.lastFrameAt !== undefined && now - track.lastFrameAt > 1_000,
    )
    this.#figure('latency', track.latencyMs === undefined ? '–' : `${track.latencyMs.toFixed(1)} ms`)
    if (!outage) return
    this.#figure('detect', ...detect(outage, now))
    this.#write('detect-note', howNoticed(outage))
    this.#figure('reopen', ...reopen(outage, now))
    const { pathBackAt, pathBackBy } = outage
    const isImpossible = trouble && pathBackAt === undefined
    const note = isImpossible ? 'not possible yet' : `after the ${FAULTS[pathBackBy ?? '']?.after ?? 'fault'}`
    this.#write('reopen-note', outage.survivedAt === undefined ? note : 'not needed')
    const soFar =
      trouble && outage.missed === undefined ? Math.max(0, stage.latest - (track.reading?.n ?? stage.latest)) : 0
    this.#figure('missed', String(outage.missed ?? soFar), soFar > 0)
    this.#write('missed-in-all', String(track.missedInAll + soFar))
  }

  /** @param {string} part @param {string} text @param {boolean} [isRunning] */
  #figure(part, text, isRunning = false) {
    this.#write(part, text)
    this.#parts[part].classList.toggle('running', isRunning)
  }

  /** @param {number} now */
  #renderOutages(now) {
    const { reading } = this.track
    const outages = this.track.outages.slice(-MAX_ROWS)
    if (reading) this.#write('reading', describe(reading))
    this.#parts['outages'].hidden = outages.length === 0
    const rows = /** @type {HTMLTableSectionElement} */ (this.#parts['rows'])
    while (rows.rows.length < outages.length) {
      const row = rows.insertRow()
      for (let cell = 0; cell < 4; cell++) row.insertCell()
    }
    outages.toReversed().forEach((outage, index) => {
      const { faults, missed } = outage
      const cells = [
        faults.map((fault) => FAULTS[fault]?.name ?? fault).join(', ') || 'Connection lost',
        detect(outage, now)[0],
        reopen(outage, now)[0],
        missed === undefined ? '…' : String(missed),
      ]
      cells.forEach((text, cell) => setText(/** @type {HTMLElement} */ (rows.rows[index]?.cells[cell]), text))
    })
  }

  /** @param {string} part @param {string} text */
  #write(part, text) {
    setText(/** @type {HTMLElement} */ (this.#parts[part]), text)
  }
}

/** @param {Outage} outage @param {number} now @returns {[text: string, isRunning: boolean]} */
function detect({ brokenAt, noticedAt, survivedAt }, now) {
  if (noticedAt !== undefined) return [duration(noticedAt - brokenAt), false]
  return survivedAt === undefined ? [`> ${running(now - brokenAt)}`, true] : ['–', false]
}

/** @param {Outage} outage */
function howNoticed({ noticedAt, wasTold, survivedAt }) {
  if (noticedAt === undefined) return survivedAt === undefined ? 'not yet' : 'it lived on'
  return wasTold ? 'it was told' : 'by itself'
}

/** @param {Outage} outage @param {number} now @returns {[text: string, isRunning: boolean]} */
function reopen({ pathBackAt, reopenedAt, survivedAt }, now) {
  if (pathBackAt === undefined || survivedAt !== undefined) return ['–', false]
  return reopenedAt === undefined
    ? [`> ${running(now - pathBackAt)}`, true]
    : [duration(reopenedAt - pathBackAt), false]
}

/** @param {{ n: number, cpuRatio: number, load: number, memoryRatio: number, memoryBytes: number }} reading */
function describe({ n, cpuRatio, load, memoryRatio, memoryBytes }) {
  const memory = `memory ${Math.round(memoryRatio * 100)} % (${(memoryBytes / 2 ** 30).toFixed(1)} GiB)`
  const parts = [`#${n}`, `CPU ${Math.round(cpuRatio * 100)} %`, load ? `load ${load.toFixed(2)}` : '', memory]
  // No line break inside a part.
  return parts
    .filter(Boolean)
    .map((part) => part.replaceAll(' ', '\u00a0'))
    .join(' · ')
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}
