/**
 * A clock that stands still while the event loop does: blocked by the application, stopped by a signal, or suspended
 * with its machine. What happens in such a time proves nothing about a peer.
 *
 * Before each step it is told how long the step may be; of a longer one, only so much counts.
 */
export class AwakeClock {
  /** Time that did not count. */
  lostMs = 0
  #awakeMs = 0
  #lastAt: number
  #maxStepMs = 0

  constructor(now: number) {
    this.#lastAt = now
  }

  /** The next step will be that long at most, unless the loop is held up. */
  expect(maxStepMs: number): void {
    this.#maxStepMs = maxStepMs
  }

  /** Whether the step to now is longer than it may be. */
  isLate(now: number): boolean {
    return now - this.#lastAt > this.#maxStepMs
  }

  /** Takes a step. */
  advance(now: number): void {
    this.lostMs += Math.max(0, now - this.#lastAt - this.#maxStepMs)
    this.#awakeMs = this.at(now)
    this.#lastAt = now
  }

  /** The time from the last step to now does not count, and is not late: nobody needed the clock. */
  skip(now: number): void {
    this.#lastAt = now
  }

  /** Milliseconds that count, up to now. Never falls. */
  at(now: number): number {
    return this.#awakeMs + Math.max(0, Math.min(now - this.#lastAt, this.#maxStepMs))
  }
}
