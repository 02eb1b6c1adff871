/** What {@link Patience.check} found: not yet over, over, or woken too late to tell. */
export type Verdict = 'waiting' | 'over' | 'late'

/** Time that a verdict leaves for frames which had already arrived when the timer fired. */
const SETTLE_MS = 20
/** Longest window that repeated lateness can lead to. */
const MAX_WINDOW_MS = 3_600_000

/**
 * A deadline that a late timer cannot trip.
 *
 * A timer that fires late (sleeping laptop, frozen page, throttled tab, busy event loop) proves nothing about the
 * peer: its answer may be waiting in a queue, or could not arrive at all. So a window is over only when all of its
 * three steps were reached on time: its middle, its end, and one short turn more that lets in what had already
 * arrived. A step that comes more than a quarter of the window late makes the verdict `late`, and the window begins
 * again. Every further late verdict doubles the window, so that timers which are *always* late by some amount
 * (a hidden tab: up to a minute) still lead to a verdict.
 */
export class Patience {
  /** Instant at which {@link check} wants to be called next. Calling it early or twice changes nothing. */
  deadline: number = Infinity
  #requestedMs = 0
  #windowMs = 0
  #endsAt = 0
  #step = 0
  #scale = 0.5

  /** Begins a window of `windowMs`, longer if windows before it were missed. */
  start(now: number, windowMs: number): void {
    this.#requestedMs = windowMs
    this.#windowMs = Math.min(windowMs * Math.max(1, this.#scale), MAX_WINDOW_MS)
    this.#endsAt = now + this.#windowMs
    this.deadline = now + this.#windowMs / 2
    this.#step = 0
  }

  /** Forgets past lateness: a sign of life came in. */
  reset(): void {
    this.#scale = 0.5
  }

  check(now: number): Verdict {
    if (now < this.deadline) return 'waiting'
    if (now - this.deadline > this.#windowMs / 4) {
      this.#scale *= 2
      this.start(now, this.#requestedMs)
      return 'late'
    }
    if (this.#step++ > 1) return 'over'
    this.deadline = this.#step < 2 ? this.#endsAt - SETTLE_MS : now + SETTLE_MS
    return 'waiting'
  }
}
