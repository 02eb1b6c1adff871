import { WheelEntry } from './timing-wheel.ts'

export interface GhostTiming {
  /** Longest silence after which a ping goes out; an idle connection gets one every such time. A multiple of {@link beatMs}. */
  readonly pingMs: number
  /** Longest time from one look to the next while there is no earlier deadline. */
  readonly lookMs: number
  /**
   * Pings and looks are made at multiples of this time, early rather than late, so that those of many connections come
   * together: answers that arrive in a batch cost the event loop less than one by one.
   */
  readonly beatMs: number
  /** Time that the peer has to be heard after a ping. */
  readonly timeoutMs: number
}

/**
 * ```
 *          ┌───────────────────── heard ─────────────────────┐
 *          ▼                                                 │
 *      listening ──silent: ping──▶ pinged ──due──▶ suspected ┤
 *                                  ▲    ▲               │    └─ still nothing ─▶ gone
 *                                  └────┴─ draining, or not read
 * ```
 * `gone` is also where a connection goes that closes by itself.
 */
export type GhostPhase = 'listening' | 'pinged' | 'suspected' | 'gone'

/** While our own bytes still drain in front of a ping, the verdict is put off by one timeout, this often at most. */
const MAX_EXTENSIONS = 11

/**
 * Decides whether the peer of one connection is a ghost, from looks at the count of received bytes. Nobody reports a
 * frame: a subclass says where the facts are to be found.
 *
 * A look that finds a change knows only that the last byte came after the look before it. So the ping is due an interval
 * after *that* look, and looks are frequent enough that by then a peer which is heard often has been seen again. All
 * times are whole milliseconds of a clock that stands still while the event loop does (see `AwakeClock`).
 */
export abstract class GhostCheck extends WheelEntry {
  phase: GhostPhase = 'listening'
  /** The last byte came after this time… */
  heardAfter = 0
  /** …and not after this time. */
  heardBefore = 0
  /** When the next ping is due or, after it, the verdict. */
  #dueAt = 0
  #lookedAt = 0
  #receivedBytes = 0
  /** Where the ping ends in what we send, if it was queued behind other bytes; else 0. */
  #pingEnd = 0
  #drainedBytes = 0
  #extensions = 0
  /** When data that is on its way has waited long enough for a ping; else `Infinity`. */
  #expectAt = Infinity

  /** Bytes received so far. Any difference is life. */
  abstract readonly receivedBytes: number
  /** Bytes handed over for sending so far, whether they have left the process or not. */
  abstract readonly sentBytes: number
  /** How many of those still wait in the process. */
  abstract readonly queuedBytes: number
  /** Changes whenever bytes leave the process; reaches {@link sentBytes} when all have left. */
  abstract readonly drainedBytes: number
  /**
   * Milliseconds within which something has to be heard, since data is on its way that the peer answers; `Infinity` if
   * there is none.
   */
  get expectMs(): number {
    return Infinity
  }
  /** Milliseconds that a ping has to be answered when nothing was heard in that time. */
  get probeMs(): number {
    return this.expectMs
  }
  /** Whether what the peer sends is taken from the network at all. A paused stream with a full buffer is not. */
  abstract readonly isRead: boolean

  /**
   * Something has just been received: begins to listen.
   *
   * @param earlyMs how much earlier than necessary the first ping may go out; spreads connections over the interval
   */
  begin(timing: GhostTiming, now: number, earlyMs: number): void {
    this.#receivedBytes = this.receivedBytes
    this.heardAfter = this.heardBefore = this.#lookedAt = now
    this.#dueAt = beatBefore(timing, now + timing.pingMs - earlyMs)
  }

  /** Instant at which {@link look} wants to be called next. Calling it early or twice changes nothing that is true. */
  nextLookAt(timing: GhostTiming): number {
    return Math.min(beatBefore(timing, this.#lookedAt + timing.lookMs), this.#dueAt, this.#expectAt)
  }

  /** Whether {@link expect} would change nothing. */
  get isExpected(): boolean {
    return this.phase !== 'listening' || this.#expectAt < Infinity
  }

  /** Data is on its way, see {@link expectMs}. @returns whether a look is wanted earlier than before */
  expect(now: number): boolean {
    if (this.isExpected) return false
    this.#expectAt = Math.ceil(now + this.expectMs)
    return true
  }

  /** @returns `ping` if a ping is due: send it, then call {@link pinged}; `suspect` if {@link confirm} is to decide */
  look(timing: GhostTiming, now: number): 'ping' | 'suspect' | undefined {
    this.#listen(timing, now)
    if (now < this.#dueAt && now < this.#expectAt) return
    if (this.phase === 'listening') return 'ping'
    if (this.#mayWait()) {
      this.#dueAt = now + timing.timeoutMs
      return
    }
    this.phase = 'suspected'
    return 'suspect'
  }

  /** A ping was sent just now. */
  pinged(timing: GhostTiming, now: number): void {
    this.phase = 'pinged'
    // Who had to answer data anyway has no more time for the ping than it had for the data.
    this.#dueAt = now + Math.min(timing.timeoutMs, this.#expectAt < Infinity ? Math.ceil(this.probeMs) : Infinity)
    this.#expectAt = Infinity
    this.#extensions = 0
    this.#pingEnd = this.queuedBytes > 0 ? this.sentBytes : 0
    if (this.#pingEnd) this.#drainedBytes = this.drainedBytes
  }

  /**
   * Since {@link look} gave `suspect`, the event loop has read all that had arrived by then.
   *
   * @returns whether it is a ghost
   */
  confirm(timing: GhostTiming, now: number): boolean {
    this.#listen(timing, now)
    if (this.phase !== 'suspected') return false
    if (this.isRead) return true
    this.phase = 'pinged'
    this.#dueAt = now + timing.timeoutMs
    return false
  }

  #listen(timing: GhostTiming, now: number): void {
    const { receivedBytes } = this
    if (receivedBytes !== this.#receivedBytes) {
      this.#receivedBytes = receivedBytes
      this.phase = 'listening'
      this.heardAfter = this.#lookedAt
      this.heardBefore = now
      this.#dueAt = beatBefore(timing, this.heardAfter + timing.pingMs)
      // Half the time, since what was heard may have come right after the look before this one.
      const { expectMs } = this
      this.#expectAt = expectMs < Infinity ? Math.ceil(now + expectMs / 2) : Infinity
    }
    this.#lookedAt = now
  }

  /** Whether there is a reason to go on waiting for the answer to a ping. */
  #mayWait(): boolean {
    if (!this.isRead) return true
    if (!this.#pingEnd || ++this.#extensions > MAX_EXTENSIONS) return false
    const { drainedBytes } = this
    const isDraining = drainedBytes !== this.#drainedBytes
    this.#drainedBytes = drainedBytes
    // A ping that got out from behind a backlog still has megabytes in front of it, in the kernels of both hosts.
    return isDraining || drainedBytes >= this.#pingEnd
  }
}

function beatBefore({ beatMs }: GhostTiming, at: number): number {
  return Math.floor(at / beatMs) * beatMs
}
