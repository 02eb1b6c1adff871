import { Link, type Ending, type LinkEffects, type LinkTiming } from './link.ts'

/**
 * ```
 *                    ┌────────────── retry ─────────────┐
 *                    ▼                                  │
 *   start ──▶ connecting ◀──due── waiting ◀──retry── open ──┐
 *                │  ▲                │ hide             │   │ no retry, or
 *                │  └─wake─ suspended ◀────── hide ─────┘   │ closed by the application
 *                └───────────────── closing ───▶ closed ◀───┘
 * ```
 */
export type ConnectionState = 'connecting' | 'open' | 'closing' | 'closed' | 'waiting' | 'suspended'

/** Decides whether and when there is another attempt. */
export interface RetryPolicy {
  /**
   * @param upMs how long the connection that ended was known to work; 0 if it never opened
   * @param isAlone this client alone was cut off, so that its first attempt need not be spread
   * @returns the delay in milliseconds, or `undefined` to give up
   */
  next(ending: Ending, upMs: number, isAlone: boolean): number | undefined
}

/** Least time from one attempt to the next that a wake-up may ask for. */
const WAKE_SPACING_MS = 1_000

/** A connection that outlives its transports: a {@link Link} that begins again, one attempt at a time. */
export class Connection extends Link {
  /** When the next attempt is due, while `waiting`. */
  retryAt: number = Infinity
  readonly #retry: RetryPolicy
  #pause: 'waiting' | 'suspended' | undefined
  #attemptedAt = 0

  constructor(effects: LinkEffects, timing: LinkTiming, retry: RetryPolicy) {
    super(effects, timing)
    this.#retry = retry
  }

  get state(): ConnectionState {
    return this.#pause ?? (['connecting', 'open', 'closing', 'closed'] as const)[this.readyState]
  }

  override get deadline(): number {
    return this.#pause ? this.retryAt : super.deadline
  }

  override connect(now: number): void {
    this.#pause = undefined
    this.#attemptedAt = now
    super.connect(now)
  }

  override tick(now: number, sentBytes: number, queuedBytes: number): void {
    if (!this.#pause) super.tick(now, sentBytes, queuedBytes)
    else if (now >= this.retryAt) this.connect(now)
  }

  override close(now: number): boolean {
    this.#pause = undefined
    return super.close(now)
  }

  override wake(now: number): void {
    if (!this.#pause) return super.wake(now)
    const spacedAt = this.#attemptedAt + (this.#pause === 'waiting' ? WAKE_SPACING_MS : 0)
    this.retryAt = Math.min(this.retryAt, Math.max(now, spacedAt))
    this.tick(now, 0, 0)
  }

  override hide(now: number): void {
    if (this.#pause) this.#suspend()
    else super.hide(now)
  }

  protected override over(now: number, ending: Ending, upMs: number, isAlone: boolean): void {
    const delayMs = this.readyState < 2 ? this.#retry.next(ending, upMs, isAlone) : undefined
    // The application may have closed the connection from inside the question whether to go on.
    if (delayMs === undefined || this.readyState > 1) return super.over(now, ending, upMs, isAlone)
    this.readyState = 0
    this.retryAt = now + delayMs
    this.#pause = 'waiting'
    if (ending.cause === 'pagehide') this.#suspend()
    this.effects.ended(ending)
    // The next attempt does not wait for a timer, unless a listener has just closed the connection.
    if (this.#pause) this.tick(now, 0, 0)
  }

  #suspend(): void {
    this.#pause = 'suspended'
    this.retryAt = Infinity
  }
}
