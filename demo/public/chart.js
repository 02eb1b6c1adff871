// @ts-check
import { WINDOW_MS } from './track.js'
import { FAULTS } from './words.js'

/** @import { Point, Track } from './track.js' */

const MARKS_HEIGHT = 18
const BEATS_HEIGHT = 16
const AXIS_HEIGHT = 18
const AXIS_WIDTH = 40
const RIGHT = 6

/** The last minute of one column on a canvas: the readings that came in, heartbeats, outages, and what was done. */
export class Chart {
  #canvas
  #context
  #track
  #marks
  #width = 0
  #height = 0
  /** @type {Record<string, string>} */
  #colours = {}
  #scale = 1

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Track} track
   * @param {{ kind: string, at: number }[]} marks what was done, oldest first
   */
  constructor(canvas, track, marks) {
    this.#canvas = canvas
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
    this.#track = track
    this.#marks = marks
    // Also called when the canvas comes into the document, before which it has neither size nor colours.
    new ResizeObserver(() => this.#resize()).observe(canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#readColours())
  }

  /** @param {number} now @param {number} scale the share of the processors at the top, from {@link niceScale} */
  draw(now, scale) {
    this.#scale = scale
    const context = this.#context
    const ratio = devicePixelRatio
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, this.#width, this.#height)
    context.font = '11px system-ui, sans-serif'
    this.#drawGrid()
    context.save()
    context.beginPath()
    context.rect(AXIS_WIDTH, 0, this.#width - AXIS_WIDTH - RIGHT, this.#height)
    context.clip()
    this.#drawOutages(now)
    this.#drawReadings(now)
    this.#drawBeats(now)
    context.restore()
    this.#drawMarks(now)
  }

  #resize() {
    const { width, height } = this.#canvas.getBoundingClientRect()
    this.#width = width
    this.#height = height
    this.#canvas.width = Math.round(width * devicePixelRatio)
    this.#canvas.height = Math.round(height * devicePixelRatio)
    this.#readColours()
    this.draw(performance.now(), this.#scale)
  }

  #readColours() {
    const style = getComputedStyle(this.#canvas)
    for (const name of ['ink', 'muted', 'line', 'good', 'warn', 'bad', 'tick', 'again', 'card']) {
      this.#colours[name] = style.getPropertyValue('--' + name).trim()
    }
  }

  /** @param {number} at @param {number} now */
  #x(at, now) {
    return this.#width - RIGHT - ((now - at) / WINDOW_MS) * (this.#width - AXIS_WIDTH - RIGHT)
  }

  get #bottom() {
    return this.#height - AXIS_HEIGHT - BEATS_HEIGHT
  }

  /** @param {number} ratio */
  #y(ratio) {
    return this.#bottom - (ratio / this.#scale) * (this.#bottom - MARKS_HEIGHT - 6)
  }

  #drawGrid() {
    const context = this.#context
    const { line, muted } = this.#colours
    context.fillStyle = muted
    context.strokeStyle = line
    context.lineWidth = 1
    context.textBaseline = 'middle'
    context.textAlign = 'right'
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(this.#y(share * this.#scale)) + 0.5
      context.beginPath()
      context.moveTo(AXIS_WIDTH, y)
      context.lineTo(this.#width - RIGHT, y)
      context.stroke()
      if (share !== 0.5) context.fillText(share ? `${Math.round(this.#scale * 100)} %` : '0', AXIS_WIDTH - 6, y)
    }
    context.textBaseline = 'alphabetic'
    const seconds = WINDOW_MS / 1_000
    for (let ago = 0; ago <= seconds; ago += this.#width < 420 ? 30 : 15) {
      context.textAlign = ago === 0 ? 'right' : ago === seconds ? 'left' : 'center'
      const x = this.#x(-ago * 1_000, 0)
      context.fillText(ago ? `${ago} s ago` : 'now', x, this.#height - 3)
    }
  }

  /** Red while the client has not noticed, amber from then until it is back. @param {number} now */
  #drawOutages(now) {
    for (const { brokenAt, noticedAt, reopenedAt, survivedAt } of this.#track.outages) {
      const end = reopenedAt ?? survivedAt ?? now
      this.#drawBand(brokenAt, Math.min(noticedAt ?? end, end), now, this.#colours['bad'])
      if (noticedAt !== undefined) this.#drawBand(noticedAt, end, now, this.#colours['warn'])
    }
  }

  /** @param {number} from @param {number} to @param {number} now @param {string} colour */
  #drawBand(from, to, now, colour) {
    const context = this.#context
    const x = this.#x(from, now)
    const width = Math.max(1.5, this.#x(to, now) - x)
    context.fillStyle = colour
    context.globalAlpha = 0.14
    context.fillRect(x, MARKS_HEIGHT, width, this.#height - MARKS_HEIGHT - AXIS_HEIGHT)
    context.globalAlpha = 0.9
    context.fillRect(x, MARKS_HEIGHT, width, 3)
    context.globalAlpha = 1
  }

  /** A curve with holes where readings are missing; what was sent once more has another colour. @param {number} now */
  #drawReadings(now) {
    /** @type {Point[]} */
    let run = []
    for (const point of this.#track.points) {
      const last = run.at(-1)
      if (last && (point.n !== last.n + 1 || point.isReplay !== last.isReplay)) {
        // Without a hole between them, the curves meet.
        if (point.n === last.n + 1) run.push(point)
        this.#drawRun(run, last.isReplay, now)
        run = []
      }
      run.push(point)
    }
    this.#drawRun(run, run.at(-1)?.isReplay ?? false, now)
  }

  /** @param {Point[]} run @param {boolean} isReplay @param {number} now */
  #drawRun(run, isReplay, now) {
    const [first] = run
    const last = run.at(-1)
    if (!first || !last) return
    const context = this.#context
    const { tick, again } = this.#colours
    context.fillStyle = context.strokeStyle = isReplay ? again : tick
    context.lineWidth = 1.6
    context.lineJoin = 'round'
    context.beginPath()
    for (const { at, cpuRatio } of run) context.lineTo(this.#x(at, now), this.#y(cpuRatio))
    context.stroke()
    context.lineTo(this.#x(last.at, now), this.#bottom)
    context.lineTo(this.#x(first.at, now), this.#bottom)
    context.globalAlpha = isReplay ? 0.35 : 0.2
    context.fill()
    context.globalAlpha = 1
  }

  /** @param {number} now */
  #drawBeats(now) {
    const context = this.#context
    const { good, bad, muted, card } = this.#colours
    const y = this.#bottom + BEATS_HEIGHT / 2
    for (const { at, latencyMs, isLost } of this.#track.beats) {
      const x = this.#x(at, now)
      if (latencyMs !== undefined) {
        circle(context, x, y, 2.5)
        context.fillStyle = good
        context.fill()
      } else if (isLost) {
        context.strokeStyle = bad
        context.lineWidth = 1.8
        context.beginPath()
        context.moveTo(x - 3.5, y - 3.5)
        context.lineTo(x + 3.5, y + 3.5)
        context.moveTo(x + 3.5, y - 3.5)
        context.lineTo(x - 3.5, y + 3.5)
        context.stroke()
      } else {
        circle(context, x, y, 3)
        context.fillStyle = card
        context.fill()
        context.strokeStyle = muted
        context.lineWidth = 1.4
        context.stroke()
      }
    }
  }

  /** @param {number} now */
  #drawMarks(now) {
    const context = this.#context
    const { ink, muted } = this.#colours
    context.fillStyle = ink
    context.textAlign = 'left'
    context.textBaseline = 'alphabetic'
    context.strokeStyle = muted
    /** @type {{ left: number, right: number }[]} */
    const labels = []
    // Where there is no room for all labels, the old ones go, and first those of the heals.
    const marks = this.#marks.toReversed()
    for (const { kind, at } of [
      ...marks.filter(({ kind }) => kind !== 'heal'),
      ...marks.filter(({ kind }) => kind === 'heal'),
    ]) {
      const x = Math.round(this.#x(at, now)) + 0.5
      if (x < AXIS_WIDTH) continue
      context.lineWidth = 1
      context.setLineDash([2, 3])
      context.beginPath()
      context.moveTo(x, MARKS_HEIGHT - 4)
      context.lineTo(x, this.#height - AXIS_HEIGHT)
      context.stroke()
      context.setLineDash([])
      const text = FAULTS[kind]?.mark
      if (!text) continue
      const { width } = context.measureText(text)
      const left = Math.min(x - 2, this.#width - RIGHT - width)
      const right = left + width
      if (labels.some((label) => left < label.right + 5 && label.left < right + 5)) continue
      labels.push({ left, right })
      context.fillText(text, left, MARKS_HEIGHT - 7)
    }
  }
}

/**
 * The top of an axis that all columns share, so that they can be compared.
 *
 * @param {Track[]} tracks
 */
export function niceScale(tracks) {
  let most = 0
  for (const { points } of tracks) for (const { cpuRatio } of points) most = Math.max(most, cpuRatio)
  return [0.1, 0.2, 0.5].find((scale) => most <= scale) ?? 1
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} radius */
function circle(context, x, y, radius) {
  context.beginPath()
  context.arc(x, y, radius, 0, 2 * Math.PI)
}
