import { Latency } from './latency.ts'
import { Patience } from './patience.ts'

export interface HeartbeatTiming {
  /** Time from one probe to the next, or the longest silence of the peer if `listenOnly`. */
  readonly intervalMs: number
  /** Time that the peer has to be heard after a probe. */
  readonly timeoutMs: number
  /** The peer speaks by itself: never probe, only listen. */
  readonly listenOnly: boolean
  /** The peer asks, too: probe only when nothing was received for `intervalMs`. */
  readonly whenSilent?: boolean
}

/** Least time to answer a probe that was sent because the process woke up. */
const WAKE_TIMEOUT_MS = 2_000
/** While our own bytes still drain, the verdict is put off by one timeout at a time, this often at most. */
const MAX_EXTENSIONS = 11

/**
 * Decides whether the peer of one open transport is alive, from received frames alone.
 *
 * Sends a probe every `intervalMs`, whatever else is sent or received, so that neither our own traffic hides a dead
 * peer nor the peer's traffic starves its timer for us. Nothing received within `timeoutMs` after a probe is
 * death, unless a timer was late (see {@link Patience}) or our own bytes are still draining in front of the probe.
 */
export class Heartbeat {
  readonly latency: Latency = new Latency()
  readonly #timing: HeartbeatTiming
  readonly #patience = new Patience()
  #probing: boolean
  /** The current window was begun by a wake-up or after a late timer; a wake-up must not move its verdict again. */
  #isFresh = false
  #probeAt: number
  /** Probes without a reply. */
  #unanswered = 0
  /** When the only one of them went out; NaN while there are several or none, so that no reply can be matched. */
  #probedAt = NaN
  /** Until then the peer has time to answer the last probe that was sent by the timer. */
  #answerBy = 0
  #drainedBytes = 0
  #queuedBytes = 0
  #isDraining = false
  #extensions = 0

  constructor(timing: HeartbeatTiming, now: number) {
    this.#timing = timing
    this.#probing = timing.listenOnly
    this.#probeAt = now + timing.intervalMs
    this.#patience.start(now, timing.intervalMs)
  }

  /** Instant at which {@link tick} wants to be called next. */
  get deadline(): number {
    return this.#probing ? this.#patience.deadline : this.#probeAt
  }

  /** A frame came in. Any frame is life; `isReply` says that it answers a probe, which gives a latency sample. */
  received(now: number, isReply: boolean): void {
    const { intervalMs, listenOnly, whenSilent } = this.#timing
    this.#isFresh = false
    this.#extensions = this.#answerBy = 0
    this.#patience.reset()
    this.#patience.start(now, intervalMs)
    this.#probing = listenOnly
    this.#probeAt = whenSilent ? now + intervalMs : Math.max(this.#probeAt, now)
    if (isReply) {
      if (this.#probedAt >= 0) this.latency.sample(now - this.#probedAt)
      this.#probedAt = NaN
      this.#unanswered = Math.max(0, this.#unanswered - 1)
    }
  }

  /**
   * Something suggests that the path may have changed.
   *
   * @param leastMs time that an answer has at least
   * @returns whether a probe is to be sent now
   */
  wake(now: number, leastMs: number = WAKE_TIMEOUT_MS): boolean {
    return !this.#timing.listenOnly && !this.#isFresh && this.#probe(now, true, leastMs)
  }

  /** The probe that was asked for last could not be sent: nobody can answer it. The next one comes as usual. */
  unsent(): void {
    this.#probing = this.#isFresh = false
    this.#unanswered--
    this.#probedAt = NaN
  }

  /**
   * The time has come, or has not: early, late and repeated calls are all allowed.
   *
   * @param sentBytes what was handed to the transport so far
   * @param queuedBytes how much of it has not left the process
   * @returns `true` to send a probe now, `false` if the peer is dead, `undefined` to go on waiting
   */
  tick(now: number, sentBytes: number, queuedBytes: number): boolean | undefined {
    const { timeoutMs } = this.#timing
    if (now < this.deadline) return
    if (!this.#probing) return this.#probe(now, now - this.#probeAt > timeoutMs / 4)
    const verdict = this.#patience.check(now)
    if (verdict === 'late') return this.#probe(now, true) || undefined
    if (verdict === 'over') {
      if (!this.#isDraining || ++this.#extensions > MAX_EXTENSIONS) return false
      this.#patience.start(now, timeoutMs)
    }
    // The last comparison before the verdict is with the middle of the window: by then the kernel's buffers in front
    // of a dead path are full, and what still moves is taken by the peer.
    // Without a queue nothing holds the probe up; what is sent then only fills the kernel's buffers.
    const drainedBytes = sentBytes - queuedBytes
    this.#isDraining = this.#queuedBytes > 0 && drainedBytes > this.#drainedBytes
    this.#drainedBytes = drainedBytes
    this.#queuedBytes = queuedBytes
    return
  }

  /** @returns whether there is something to be sent */
  #probe(now: number, isFresh: boolean, freshMs = WAKE_TIMEOUT_MS): boolean {
    const { intervalMs, timeoutMs, listenOnly } = this.#timing
    this.#isFresh = isFresh
    this.#probing = true
    this.#probeAt = now + intervalMs
    this.#probedAt = this.#unanswered++ ? NaN : now
    if (!isFresh) this.#answerBy = now + timeoutMs
    // A fresh probe has little time, but takes none from one before it.
    const leastMs = Math.min(timeoutMs, Math.max(freshMs, 4 * (this.latency.smoothedMs ?? 0)))
    this.#patience.start(now, listenOnly ? intervalMs : Math.max(leastMs, this.#answerBy - now))
    return !listenOnly
  }
}
