// @ts-check
import { Chart } from './chart.js'
import { Track } from './track.js'
import { count, duration, FATES, FAULTS, running } from './words.js'

/** @import { Notes } from './notes.js' */
/** @import { StageClient } from './stage-client.js' */
/** @import { Outage } from './track.js' */

/** Outages in the list; the chart shows all of the last minute. */
const MAX_ROWS = 3
/** Messages in the list. */
const MAX_NOTES = 4

/**
 * @typedef {object} ColumnOptions
 * @property {string} id Its name on the server, and prefix of its `data-testid`s.
 * @property {string} title
 * @property {string} subtitle
 * @property {string} source The file that makes the connection.
 * @property {boolean} [keepsReadings] Whether the server keeps for it what it has not got.
 * @property {{ kind: string, at: number }[]} marks
 */

/** One connection on the page: its state, what it has lost, chart, messages and outages. */
export class Column {
  id
  title
  track = new Track()
  /** What the client's socket says of itself. @type {() => string} */
  says = () => this.track.readyState ?? ''
  /** What it has to say of its losses. @type {() => string} */
  remark = () => ''
  /** @type {HTMLElement} */
  element
  /** The same in three words, for where only one column is in sight. */
  summary = document.createElement('a')
  #keepsReadings
  #chart
  /** @type {Record<string, HTMLElement>} */
  #parts = {}

  /** @param {ColumnOptions} options */
  constructor({ id, title, subtitle, source, keepsReadings = false, marks }) {
    this.id = id
    this.title = title
    this.#keepsReadings = keepsReadings
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('column'))
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true))
    this.element = /** @type {HTMLElement} */ (fragment.firstElementChild)
    this.element.dataset['testid'] = this.element.id = id
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
    this.summary.href = '#' + id
    this.summary.append(title.replace('WebSocket', ''), document.createElement('b'), 'missed')
    const canvas = /** @type {HTMLCanvasElement} */ (this.#parts['chart'])
    canvas.setAttribute('aria-label', `Readings, heartbeats and outages of the last minute, ${title}`)
    this.#chart = new Chart(canvas, this.track, marks)
  }

  /** @param {number} now @param {StageClient} stage @param {Notes} notes @param {number} scale the top of the chart */
  render(now, stage, notes, scale) {
    this.#renderState(now, stage)
    this.#renderScore(now, stage, notes)
    this.#renderNotes(now, notes)
    this.#renderOutages(now)
    this.#chart.draw(now, scale)
  }

  /** @param {StageClient} stage @returns {number} readings that are passed over for good */
  missed(stage) {
    return this.track.missedInAll + (this.#keepsReadings ? 0 : this.#behind(stage))
  }

  /** Readings that have not come in during the outage that is going on. @param {StageClient} stage */
  #behind({ latest }) {
    const { outage, trouble, reading } = this.track
    // Also in the moment between its end and the next reading.
    const isOpen = trouble || (outage && outage.missed === undefined)
    return isOpen && reading ? Math.max(0, latest - reading.n) : 0
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
    const wait = stage.cable !== 'in' ? 'No network yet.' : stage.serverIsUp ? '' : 'No server yet.'
    const since = running(now - (track.endedAt ?? now))
    switch (track.readyState) {
      case 'OPEN': {
        if (!trouble) {
          const latencyMs = track.latencyMs(now)
          const roundTrip = latencyMs === undefined ? '' : ` Round trip ${latencyMs.toFixed(1)} ms.`
          return { text: 'ALIVE', tone: 'good', detail: 'Everything arrives.' + roundTrip }
        }
        const dead = running(now - trouble.brokenAt)
        return stage.cable === 'oneWay'
          ? { text: 'HALF DEAD', tone: 'bad', detail: `It hears, but has not been heard for ${dead}.` }
          : { text: 'DEAD', tone: 'bad', detail: `Dead for ${dead}, and it does not know.` }
      }
      case 'CLOSING':
        return { text: 'DEAD', tone: 'bad', detail: `Has waited ${since} for its own close event.` }
      case 'CONNECTING':
        return {
          text: 'NO CONNECTION',
          tone: 'warn',
          detail: `Trying for ${running(now - track.beganAt)}. ${wait}`,
        }
      default:
        return { text: 'NO CONNECTION', tone: 'warn', detail: `Tries again in a moment. ${wait}` }
    }
  }

  /** @param {number} now @param {StageClient} stage @param {Notes} notes */
  #renderScore(now, stage, notes) {
    const missed = this.missed(stage)
    const lost = notes.lost(this.id, now)
    this.#score('missed', missed)
    this.#score('lost', lost)
    setText(/** @type {HTMLElement} */ (this.summary.firstElementChild), String(missed))
    this.summary.dataset['tone'] = missed ? 'bad' : 'good'
    const behind = this.#behind(stage)
    const waiting = this.#keepsReadings && behind ? `${count(behind, 'reading')} wait for it on the server.` : ''
    const repeated = this.track.repeated ? `${count(this.track.repeated, 'reading')} came twice.` : ''
    this.#parts['remark'].dataset['tone'] = missed || repeated ? 'bad' : 'good'
    this.#write('remark', [waiting || this.remark(), repeated].filter(Boolean).join(' '))
  }

  /** @param {string} part @param {number} value */
  #score(part, value) {
    this.#write(part, String(value))
    const box = /** @type {HTMLElement} */ (this.#parts[part].parentElement)
    box.dataset['tone'] = value ? 'bad' : 'good'
  }

  /** @param {number} now @param {Notes} notes */
  #renderNotes(now, notes) {
    const latest = notes.all.slice(-MAX_NOTES).reverse()
    this.#parts['messages'].hidden = !latest.length
    const list = this.#parts['notes']
    while (list.children.length < latest.length) {
      const item = document.createElement('li')
      for (const name of ['way', 'text', 'fate'])
        item.append(Object.assign(document.createElement('span'), { className: name }))
      list.append(item)
    }
    latest.forEach((note, index) => {
      const item = /** @type {HTMLElement} */ (list.children[index])
      const [way, text, fate] = /** @type {HTMLElement[]} */ ([...item.children])
      const { words, tone, explanation } = FATES[notes.fate(note, this.id, now)]
      setText(way, note.isToServer ? 'to server' : 'to page')
      setText(text, note.text)
      setText(fate, words.replace('#', String(note.passages[this.id].arrived)))
      fate.dataset['tone'] = tone
      fate.title = explanation
    })
  }

  /** @param {number} now */
  #renderOutages(now) {
    const { reading } = this.track
    const outages = this.track.outages.slice(-MAX_ROWS)
    if (reading) this.#write('reading', `${Math.round(reading.cpuRatio * 100)} %`)
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
        detect(outage, now),
        reopen(outage, now),
        missed === undefined ? '…' : String(missed),
      ]
      cells.forEach((text, cell) => {
        const element = /** @type {HTMLElement} */ (rows.rows[index]?.cells[cell])
        setText(element, text)
        element.classList.toggle('running', text.startsWith('>'))
      })
    })
  }

  /** @param {string} part @param {string} text */
  #write(part, text) {
    setText(/** @type {HTMLElement} */ (this.#parts[part]), text)
  }
}

/** @param {Outage} outage @param {number} now */
function detect({ brokenAt, noticedAt, survivedAt }, now) {
  if (noticedAt !== undefined) return duration(noticedAt - brokenAt)
  return survivedAt === undefined ? `> ${running(now - brokenAt)}` : 'lived on'
}

/** @param {Outage} outage @param {number} now */
function reopen({ pathBackAt, reopenedAt, survivedAt }, now) {
  if (pathBackAt === undefined || survivedAt !== undefined) return '–'
  return reopenedAt === undefined ? `> ${running(now - pathBackAt)}` : duration(reopenedAt - pathBackAt)
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}
