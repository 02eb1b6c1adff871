import type { Display } from './display.ts'
import { History } from './history.ts'
import { thisMoment, type Moment } from './moment.ts'
import type { StateChange, SubjectListener } from './subject.ts'

/** 0 alive at the end and no outage seen, 1 an outage was seen, 2 never open. */
export type ProbeExitCode = 0 | 1 | 2

/** Takes notes of what a subject tells and shows them, until the end: what the subject tells then is our own doing. */
export class Watch implements SubjectListener {
  readonly over: Promise<void>
  readonly #display: Display
  readonly #endsWhenOpen: boolean
  readonly #history: History
  #isOver = false
  #resolve = (): void => {}

  /** @param endsWhenOpen outages before do not count then */
  constructor(display: Display, endsWhenOpen: boolean) {
    this.#display = display
    this.#endsWhenOpen = endsWhenOpen
    this.over = new Promise((resolve) => (this.#resolve = resolve))
    const start = thisMoment()
    this.#history = new History(start)
    display.started(this.#history, start)
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#display.ended(this.#history, this.exitCode, thisMoment())
    this.#resolve()
  }

  get exitCode(): ProbeExitCode {
    const { opens, outageCount } = this.#history
    if (!opens) return 2
    return outageCount && !this.#endsWhenOpen ? 1 : 0
  }

  changed(change: StateChange): void {
    if (change.state === this.#history.state && !change.ending) return
    this.#note((now) => {
      this.#history.changed(change, now)
      this.#display.changed(change, this.#history, now)
    })
    if (change.state === 'closed' || (change.state === 'open' && this.#endsWhenOpen)) this.end()
  }

  heartbeatSent(): void {
    this.#note(() => void this.#history.heartbeatsSent++)
  }

  answered(latencyMs: number | undefined): void {
    this.#note((now) => {
      this.#history.answered(latencyMs, now)
      this.#display.answered(latencyMs, this.#history, now)
    })
  }

  heard(data: unknown): void {
    this.#note((now) => this.#history.heard(data, now))
  }

  noted(name: string, text: string): void {
    this.#note((now) => this.#display.noted(name, text, now))
  }

  #note(take: (now: Moment) => void): void {
    if (!this.#isOver) take(thisMoment())
  }
}
