import type { GhostCheck, GhostTiming } from './ghost-check.ts'
import { TimingWheel } from './timing-wheel.ts'
import { AwakeClock } from './awake-clock.ts'

/** What a {@link GhostWatch} makes its shell do. `ping` and `reap` may call back into the watch. */
export interface GhostEffects<C extends GhostCheck> {
  /** Send a ping. */
  ping(check: C): void
  /** Drop the connection and tell the application. It is no longer watched. */
  reap(check: C): void
  /** The time, for when a batch of pings has been sent: reading it for each would cost more than all the rest. */
  now(): number
}

/**
 * Parts of the interval at whose ends looks and pings are made. More of them spread the pings of many idle connections
 * more thinly: shorter stalls, and less of what a batch saves.
 */
const BEATS = 16
/** New connections that get their first ping together, so that few of them make no small batches. */
const GROUP_SIZE = 512
/** Part of an interval from one group's first ping to the next one's: the golden ratio spreads any number evenly. */
const GOLDEN_RATIO = 0.618034
/** Ticks after which the watch wakes up even if there is nothing to do, to notice when the loop stands still. */
const MAX_SLEEP_TICKS = 32
/** It does not sleep for longer, however long the ticks: what goes out meanwhile may have to be answered soon. */
const MAX_SLEEP_MS = 400

/** How exact the watch is: a 400th of the shorter time, 1 to 250 ms. */
export function tickLengthMs(intervalMs: number, timeoutMs: number): number {
  return Math.max(1, Math.min(250, Math.floor(Math.min(intervalMs, timeoutMs) / 400)))
}

/**
 * Watches any number of connections behind one timer: when to look at which, when to ping, whom to reap.
 *
 * - A silent peer is reaped within `intervalMs + timeoutMs` of its last byte, not sooner than `timeoutMs` after a ping.
 * - A peer that is heard at least every third of the interval is never pinged.
 * - Time in which the event loop stands still does not count, and what has arrived is read before anything is decided.
 *
 * Pure: the shell tells the time, in monotonic milliseconds, and calls {@link turn}.
 */
export class GhostWatch<C extends GhostCheck> {
  /** How many connections are watched. */
  size = 0
  /** Ghosts reaped so far. */
  ghosts = 0
  /** How often the event loop stood still for too long to count. */
  lateTicks = 0
  readonly #effects: GhostEffects<C>
  readonly #timing: GhostTiming
  readonly #wheel: TimingWheel<C>
  readonly #clock: AwakeClock
  /** How late a timer may be before it tells of a loop that stood still. */
  readonly #latenessMs: number
  readonly #maxEarlyMs: number
  readonly #maxSleepTicks: number
  /** Pinged in this turn. */
  #pinged: C[] = []
  /** To be confirmed in the next turn. */
  #suspects: C[] = []
  #added = 0
  #isDeferred = false

  constructor(effects: GhostEffects<C>, intervalMs: number, timeoutMs: number, now: number) {
    const tickMs = tickLengthMs(intervalMs, timeoutMs)
    // The looks that ping and judge come up to a tick late each: taken off here, so that the bound is exact.
    const beatMs = Math.floor((intervalMs - 2 * tickMs) / BEATS)
    const pingMs = BEATS * beatMs
    const latenessMs = Math.max(20, 20 * tickMs)
    // What is left of a ping's delay if it comes a beat early, after the silence that a busy peer may have.
    const spareMs = pingMs - beatMs - intervalMs / 3
    // Looks may be late by the wheel's tick and by late timers.
    const lookMs = Math.max(beatMs, Math.floor(spareMs) - tickMs - 2 * latenessMs)
    this.#effects = effects
    this.#timing = { pingMs, lookMs, beatMs, timeoutMs }
    this.#maxEarlyMs = spareMs
    this.#latenessMs = latenessMs
    this.#maxSleepTicks = Math.max(1, Math.min(MAX_SLEEP_TICKS, Math.floor(MAX_SLEEP_MS / tickMs)))
    this.#clock = new AwakeClock(now)
    this.#wheel = new TimingWheel(tickMs, 0)
  }

  /** Milliseconds in which the event loop stood still, and which did not count. */
  get stalledMs(): number {
    return this.#clock.lostMs
  }

  /** Watches a connection from which something has just been received. */
  add(check: C, now: number): void {
    if (!this.size++) this.#clock.skip(now)
    const part = (Math.floor(this.#added++ / GROUP_SIZE) * GOLDEN_RATIO) % 1
    check.begin(this.#timing, this.#awakeAt(now), part * this.#maxEarlyMs)
    this.#schedule(check)
  }

  /** No longer watches a connection. Without effect if it is not watched. */
  remove(check: C): void {
    if (check.phase === 'gone') return
    check.phase = 'gone'
    this.size--
    this.#wheel.cancel(check)
  }

  /** Data is on its way to a peer that answers it: see {@link GhostCheck.expectMs}. */
  expect(check: C, now: number): void {
    if (check.expect(this.#awakeAt(now)) && check.next) this.#schedule(check)
  }

  /** For how long, up to now, certainly nothing was received from a connection, and for how long at most. */
  silence(check: C, now: number): { silenceMs: number; maxSilenceMs: number } {
    const awakeMs = this.#awakeAt(now)
    return { silenceMs: awakeMs - check.heardBefore, maxSilenceMs: awakeMs - check.heardAfter }
  }

  /** The shell goes to sleep. @returns milliseconds from now until {@link turn} wants to be called */
  sleep(now: number): number {
    // What the turn itself took is not a standstill.
    this.#clock.advance(now)
    const delayMs = Math.max(1, Math.ceil(this.#wheel.nextTickAt(this.#maxSleepTicks) - this.#clock.at(now)))
    this.#clock.expect(delayMs + this.#latenessMs)
    return delayMs
  }

  /**
   * The time has come, or has not. MUST be called right after the event loop has read from the network.
   *
   * @returns whether it is to be called again as soon as the event loop has read once more; otherwise {@link sleep}
   */
  turn(now: number): boolean {
    const suspects = this.#suspects
    this.#suspects = []
    for (const check of suspects) this.#confirm(check, now)
    // The loop may have stood still after it had read: what arrived meanwhile gets in first.
    if (!this.#isDeferred && this.#clock.isLate(now)) {
      this.lateTicks++
      return (this.#isDeferred = true)
    }
    this.#isDeferred = false
    this.#clock.advance(now)
    const awakeMs = this.#awakeAt(now)
    this.#wheel.advance(awakeMs, (check) => this.#look(check, awakeMs))
    if (this.#pinged.length) this.#startTimeouts()
    return this.#suspects.length > 0
  }

  #look(check: C, awakeMs: number): void {
    const action = check.look(this.#timing, awakeMs)
    if (action === 'suspect') {
      this.#suspects.push(check)
    } else if (action === 'ping') {
      this.#effects.ping(check)
      this.#pinged.push(check)
    } else {
      this.#schedule(check)
    }
  }

  #startTimeouts(): void {
    const sentAtMs = Math.ceil(this.#clock.at(this.#effects.now()))
    for (const check of this.#pinged) {
      if (check.phase === 'gone') continue
      check.pinged(this.#timing, sentAtMs)
      this.#schedule(check)
    }
    this.#pinged = []
  }

  #confirm(check: C, now: number): void {
    if (check.phase !== 'suspected') return
    if (check.confirm(this.#timing, this.#awakeAt(now))) {
      this.remove(check)
      this.ghosts++
      this.#effects.reap(check)
    } else {
      this.#schedule(check)
    }
  }

  #schedule(check: C): void {
    this.#wheel.schedule(check, check.nextLookAt(this.#timing))
  }

  /** Whole milliseconds: the engine keeps small integers in place and would box every fraction, per connection. */
  #awakeAt(now: number): number {
    return Math.floor(this.#clock.at(now))
  }
}
