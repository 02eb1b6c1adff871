import type { Display } from './display.ts'
import { endingText } from './ending-text.ts'
import { durationText } from './figures-text.ts'
import type { History } from './history.ts'
import { logLine } from './log-line.ts'
import type { Moment } from './moment.ts'
import { printable } from './printable.ts'
import { statusText } from './status-text.ts'
import type { StateChange } from './subject.ts'
import type { Terminal } from './terminal.ts'

/** How often the status line is written anew, for the durations in it. */
const REPAINT_MS = 1_000

/** Writes a line for each change; on a terminal also a status line at the bottom. */
export class TextDisplay implements Display {
  readonly #terminal: Terminal
  readonly #url: string
  readonly #summary: (history: History, nowMs: number) => string
  #repaint: ReturnType<typeof setInterval> | undefined
  #lastFailure = ''

  /** @param summary makes what is written at the end */
  constructor(url: string, terminal: Terminal, summary: (history: History, nowMs: number) => string) {
    this.#url = url
    this.#terminal = terminal
    this.#summary = summary
  }

  started(history: History, now: Moment): void {
    logLine(this.#terminal, now.date, 'connecting', `to ${this.#url}`, 'yellow')
    this.#paint(history, now.ms)
    if (this.#terminal.isLive) this.#repaint = setInterval(() => this.#paint(history, performance.now()), REPAINT_MS)
  }

  changed(change: StateChange, history: History, now: Moment): void {
    if (change.ending) this.#ending(change, history, now)
    if (change.state === 'open') {
      const outage = history.outages.at(-1)
      const waited = outage
        ? `an outage of ${durationText(now.ms - outage.start.ms)}`
        : durationText(now.ms - history.start.ms)
      logLine(this.#terminal, now.date, 'open', `after ${waited}`, 'green')
      this.#lastFailure = ''
    }
    this.#paint(history, now.ms)
  }

  answered(_latencyMs: number | undefined, history: History, now: Moment): void {
    this.#paint(history, now.ms)
  }

  noted(name: string, text: string, now: Moment): void {
    logLine(this.#terminal, now.date, name, printable(text), 'yellow')
  }

  ended(history: History, _exitCode: number, now: Moment): void {
    clearInterval(this.#repaint)
    this.#terminal.clearStatus()
    this.#terminal.write(this.#summary(history, now.ms))
  }

  /** Attempts that fail as the one before did are no change. */
  #ending({ state, ending, retryInMs }: StateChange, { opens, outages }: History, now: Moment): void {
    const { start, noticedMs } = outages.at(-1)!
    const isFirst = noticedMs === now.ms
    const text = endingText(ending!, noticedMs - start.ms)
    if (text === this.#lastFailure && state !== 'closed') return
    this.#lastFailure = text
    logLine(
      this.#terminal,
      now.date,
      isFirst && opens ? 'lost' : 'failed',
      `${text}; ${sequel(state, retryInMs)}`,
      'red',
    )
    if (ending!.hint) logLine(this.#terminal, now.date, 'hint', ending!.hint, 'yellow')
  }

  #paint(history: History, nowMs: number): void {
    const colour = history.state === 'open' ? 'green' : history.outage ? 'red' : 'yellow'
    this.#terminal.status(history.state, statusText(history, nowMs), colour)
  }
}

function sequel(state: StateChange['state'], retryInMs: number | undefined): string {
  if (state === 'closed') return 'it is not tried again'
  return retryInMs ? `next attempt in ${durationText(retryInMs)}` : 'next attempt at once'
}
