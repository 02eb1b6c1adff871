import type { Display } from './display.ts'
import type { History, Outage } from './history.ts'
import type { Moment } from './moment.ts'
import type { Ending, StateChange } from './subject.ts'

/** Writes one JSON object a line, with `event` and `at` in each. Times are milliseconds, to the microsecond. */
export class JsonDisplay implements Display {
  readonly #write: (text: string) => void
  readonly #url: string

  constructor(url: string, write: (text: string) => void) {
    this.#url = url
    this.#write = write
  }

  started(_history: History, now: Moment): void {
    this.#line('start', now, { url: this.#url })
  }

  changed({ state, ending, attempts, retryInMs }: StateChange, history: History, now: Moment): void {
    const latest = history.outages.at(-1)
    const outageMs = state === 'open' && latest?.endMs === now.ms ? now.ms - latest.start.ms : undefined
    const silentMs = ending && latest?.noticedMs === now.ms ? silenceOf(latest) : undefined
    this.#line('state', now, { state, attempts, retryInMs, ending: ending && fieldsOf(ending), silentMs, outageMs })
  }

  answered(latencyMs: number | undefined, _history: History, now: Moment): void {
    this.#line('heartbeat', now, { latencyMs })
  }

  noted(name: string, text: string, now: Moment): void {
    this.#line(name, now, { text })
  }

  ended(history: History, exitCode: number, now: Moment): void {
    const { latency, outages, outageCount, opens, heartbeatsSent, heartbeatsAnswered, messages } = history
    this.#line('summary', now, {
      watchedMs: now.ms - history.start.ms,
      openMs: history.openMs(now.ms),
      opens,
      outageCount,
      outages: outages.map((outage) => ({
        at: outage.start.date,
        lengthMs: (outage.endMs ?? now.ms) - outage.start.ms,
        isOver: outage.endMs !== undefined,
        ending: fieldsOf(outage.ending),
        silentMs: silenceOf(outage),
      })),
      heartbeatsSent,
      heartbeatsAnswered,
      messages,
      latency: latency.count
        ? { minMs: latency.minMs, medianMs: latency.quantile(0.5), p99Ms: latency.quantile(0.99) }
        : undefined,
      exitCode,
    })
  }

  #line(event: string, { date }: Moment, fields: object): void {
    const toMicroseconds = (_name: string, value: unknown) =>
      typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : value
    this.#write(`${JSON.stringify({ event, at: date, ...fields }, toMicroseconds)}\n`)
  }
}

/** Without what else a runtime may have put there. */
const fieldsOf = ({ cause, code, reason, error, hint }: Ending): Ending => ({ cause, code, reason, error, hint })

/** How long it took to notice, if silence was the cause. */
const silenceOf = ({ start, noticedMs, ending }: Outage): number | undefined =>
  ending.cause === 'heartbeat' ? noticedMs - start.ms : undefined
