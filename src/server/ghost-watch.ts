import { GhostCheck, type GhostTiming, type Peer } from '../core/ghost-check.ts'
import { TimingWheel } from '../core/timing-wheel.ts'
import { AwakeClock } from './awake-clock.ts'

/** What a {@link GhostWatch} makes its shell do. `ping` and `reap` may call back into the watch. */
export interface GhostEffects<P extends Peer> {
  /** Send a ping. */
  ping(peer: P): void
  /** The time, for when a batch of pings has been sent: reading it for each would cost more than all the rest. */
  now(): number
  /** Drop the connection and tell the application. The check is no longer watched. */
  reap(check: GhostCheck<P>): void
}

/** Part of the interval between two neighbours in the sequence of first pings; the golden ratio spreads any number evenly. */
const GOLDEN_RATIO = 0.618034

const BEATS = 8
const MAX_TICKS = 32
const GROUP_SIZE = 2048

/** How coarse the watch is: a 400th of the shorter time, 1 to 250 ms. */
export function tickLengthMs(intervalMs: number, timeoutMs: number): number {
  return Math.max(1, Math.min(250, Math.floor(Math.min(intervalMs, timeoutMs) / 400)))
}

/**
 * Watches any number of connections behind one tick: when to look at which, when to ping, whom to reap.
 *
 * Pure: the shell tells the time, in monotonic milliseconds, and calls {@link turn}.
 */
export class GhostWatch<P extends Peer> {
  /** Ghosts reaped so far. */
  ghosts = 0
  /** Ticks that came so late that the time before them does not count. */
  lateTicks = 0
  readonly #effects: GhostEffects<P>
  readonly #timing: GhostTiming
  readonly #wheel: TimingWheel<GhostCheck<P>>
  readonly #clock: AwakeClock
  /** Pinged in this turn. */
  #pinged: GhostCheck<P>[] = []
  #suspects: GhostCheck<P>[] = []
  #size = 0
  #isDeferred = false
  #added = 0
  readonly #maxEarlyMs: number
  /** How late a timer may be before it tells of a loop that was held up. */
  readonly #latenessMs: number

  constructor(effects: GhostEffects<P>, intervalMs: number, timeoutMs: number, now: number) {
    const tickMs = tickLengthMs(intervalMs, timeoutMs)
    this.#effects = effects
    this.#latenessMs = Math.max(20 * tickMs, 20)
    // The looks that ping and judge come up to a tick late each: taken off here, so that the bound is exact.
    const beatMs = Math.floor((intervalMs - 2 * tickMs) / BEATS)
    const pingMs = BEATS * beatMs
    this.#timing = {
      pingMs,
      // A ping comes up to a beat early, and a look late by the wheel and by late timers.
      lookMs: Math.floor(pingMs - beatMs - intervalMs / 3 - tickMs - 2 * this.#latenessMs),
      beatMs,
      timeoutMs,
    }
    this.#maxEarlyMs = pingMs - beatMs - intervalMs / 3
    this.#clock = new AwakeClock(now)
    this.#wheel = new TimingWheel(tickMs, 0)
  }

  /** How many connections are watched. */
  get size(): number {
    return this.#size
  }

  /** Watches a connection from which something has just been received. */
  add(peer: P, now: number): GhostCheck<P> {
    if (!this.#size++) this.#clock.skip(now)
    // New connections come in groups, so that the first pings of a burst are spread, but not thinly.
    const part = (Math.floor(this.#added++ / GROUP_SIZE) * GOLDEN_RATIO) % 1
    const check = new GhostCheck(peer, this.#timing, this.#awakeAt(now), part * this.#maxEarlyMs)
    this.#schedule(check)
    return check
  }

  /** No longer watches a connection. Without effect if it is not watched. */
  remove(check: GhostCheck<P>): void {
    if (check.phase === 'gone') return
    check.phase = 'gone'
    this.#size--
    this.#wheel.cancel(check)
  }

  /** The longest and the least time for which nothing can have been received from a connection, up to now. */
  silence(check: GhostCheck<P>, now: number): { silenceMs: number; maxSilenceMs: number } {
    const awakeMs = this.#awakeAt(now)
    return { silenceMs: awakeMs - check.heardBefore, maxSilenceMs: awakeMs - check.heardAfter }
  }

  /** Milliseconds in which the event loop stood still, and which did not count. */
  get stalledMs(): number {
    return this.#clock.lostMs
  }

  /** The shell goes to sleep. @returns milliseconds from now until {@link turn} wants to be called */
  sleep(now: number): number {
    // The turn's own work is not a hold-up.
    this.#clock.advance(now)
    const delayMs = Math.ceil(Math.max(1, this.#wheel.nextTickAt(MAX_TICKS) - this.#clock.at(now)))
    this.#clock.expect(delayMs + this.#latenessMs)
    return delayMs
  }

  /**
   * The time has come, or has not. MUST be called right after the event loop has read from the network.
   *
   * @returns whether it is to be called again as soon as the event loop has read once more
   */
  turn(now: number): boolean {
    const suspects = this.#suspects
    this.#suspects = []
    for (const check of suspects) this.#confirm(check, now)
    // The loop may have been held up after it had read: what arrived meanwhile gets in first.
    if (!this.#isDeferred && this.#clock.isLate(now)) {
      this.lateTicks++
      return (this.#isDeferred = true)
    }
    this.#isDeferred = false
    this.#clock.advance(now)
    const awakeMs = this.#awakeAt(now)
    this.#wheel.advance(awakeMs, (check) => this.#look(check, awakeMs))
    if (this.#pinged.length) {
      const sentAtMs = Math.ceil(this.#clock.at(this.#effects.now()))
      for (const check of this.#pinged) {
        if (check.phase === 'gone') continue
        check.pinged(this.#timing, sentAtMs)
        this.#schedule(check)
      }
      this.#pinged = []
    }
    return this.#suspects.length > 0
  }

  #look(check: GhostCheck<P>, awakeMs: number): void {
    const action = check.look(this.#timing, awakeMs)
    if (action === 'suspect') {
      this.#suspects.push(check)
    } else if (action === 'ping') {
      this.#effects.ping(check.peer)
      this.#pinged.push(check)
    } else {
      this.#schedule(check)
    }
  }

  #confirm(check: GhostCheck<P>, now: number): void {
    if (check.phase !== 'suspected') return
    if (check.confirm(this.#timing, this.#awakeAt(now))) {
      this.remove(check)
      this.ghosts++
      this.#effects.reap(check)
    } else {
      this.#schedule(check)
    }
  }

  #schedule(check: GhostCheck<P>): void {
    this.#wheel.schedule(check, check.nextLookAt(this.#timing))
  }

  /** Whole milliseconds: the engine keeps small integers in place and would box every fraction, per connection. */
  #awakeAt(now: number): number {
    return Math.floor(this.#clock.at(now))
  }
}
