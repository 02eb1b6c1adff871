import { LatencyFigures } from './latency-figures.ts'
import type { Moment } from './moment.ts'
import type { Ending, State, StateChange } from './subject.ts'

/** A time in which the connection was of no use, until it is open again. */
export interface Outage {
  /** The last sign of life if silence was the cause, the very start before it was ever open, else when it was noticed. */
  readonly start: Moment
  readonly noticedMs: number
  readonly ending: Ending
  /** `undefined` while it lasts. */
  readonly endMs: number | undefined
}

/** Outages that are kept in full; all are counted. */
const KEPT_OUTAGES = 100

/** What a probe has seen. */
export class History {
  readonly start: Moment
  readonly latency = new LatencyFigures()
  state: State = 'connecting'
  retryAtMs = NaN
  attempts = 0
  opens = 0
  heartbeatsSent = 0
  heartbeatsAnswered = 0
  /** All that were no answers. */
  messages = 0
  lastMessage: unknown
  /** The latest ones, the current one last. */
  readonly outages: Outage[] = []
  outageCount = 0
  #openMs = 0
  /** When the state began. */
  sinceMs: number
  /** The last sign of life. */
  #heard: Moment

  constructor(start: Moment) {
    this.start = this.#heard = start
    this.sinceMs = start.ms
  }

  /** The outage that there is now. */
  get outage(): Outage | undefined {
    const latest = this.outages.at(-1)
    return latest && latest.endMs === undefined ? latest : undefined
  }

  changed({ state, ending, attempts, retryInMs }: StateChange, now: Moment): void {
    const { ms } = now
    const start = !this.opens ? this.start : ending?.cause === 'heartbeat' ? this.#heard : now
    if (this.state === 'open') this.#openMs += start.ms - this.sinceMs
    if (ending && !this.outage) {
      this.outages.push({ start, noticedMs: ms, ending, endMs: undefined })
      this.outageCount++
      if (this.outages.length > KEPT_OUTAGES) this.outages.shift()
    }
    if (state === 'open') {
      this.opens++
      this.#heard = now
      if (this.outage) this.outages.push({ ...this.outages.pop()!, endMs: ms })
    }
    this.state = state
    this.sinceMs = ms
    this.attempts = attempts
    this.retryAtMs = ms + (retryInMs ?? NaN)
  }

  answered(latencyMs: number | undefined, now: Moment): void {
    this.#heard = now
    this.heartbeatsAnswered++
    if (latencyMs !== undefined) this.latency.sample(latencyMs)
  }

  heard(data: unknown, now: Moment): void {
    this.#heard = now
    this.messages++
    this.lastMessage = data
  }

  /** How long it was open in all. */
  openMs(nowMs: number): number {
    return this.#openMs + (this.state === 'open' ? nowMs - this.sinceMs : 0)
  }
}
