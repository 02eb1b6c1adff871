import type { History } from './history.ts'
import type { Moment } from './moment.ts'
import type { StateChange } from './subject.ts'

/** Shows what a probe sees. The history holds the news already. */
export interface Display {
  started(history: History, now: Moment): void
  changed(change: StateChange, history: History, now: Moment): void
  answered(latencyMs: number | undefined, history: History, now: Moment): void
  noted(name: string, text: string, now: Moment): void
  ended(history: History, exitCode: number, now: Moment): void
}
