import type { EventQueue } from './event-queue.ts'

/** A process that may be frozen: what it would have done meanwhile it does afterwards, in its order. */
export class Freezer {
  until = 0
  readonly #queue: EventQueue
  readonly #waiting: (() => void)[] = []

  constructor(queue: EventQueue) {
    this.#queue = queue
  }

  freeze(ms: number): void {
    const until = this.#queue.now + ms
    if (until <= this.until) return
    this.until = until
    this.#queue.after(ms, () => {
      if (this.until === until) while (this.#waiting.length) this.#waiting.shift()!()
    })
  }

  /** Runs now, or when the process is no longer frozen. */
  when(run: () => void): void {
    if (this.#waiting.length || this.until > this.#queue.now) this.#waiting.push(run)
    else run()
  }
}
