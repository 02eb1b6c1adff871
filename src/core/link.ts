import { LinkCode } from '../protocol/close-codes.ts'
import { Heartbeat, type HeartbeatTiming } from './heartbeat.ts'
import { Patience } from './patience.ts'

/** Why an attempt or a connection ended. */
export type EndCause =
  /** The transport closed before it was open. */
  | 'refused'
  /** The transport closed after it had been open: the peer, a proxy or the host did it. */
  | 'closed'
  /** The application called `close()`, or aborted. */
  | 'application'
  /** Nothing was received in time. */
  | 'heartbeat'
  /** The attempt took longer than `connectTimeoutMs`. */
  | 'connectTimeout'
  /** A URL or protocol provider failed, or no transport could be made. */
  | 'provider'
  /** The page went away. */
  | 'pagehide'

/** How an attempt or a connection ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  readonly cause: EndCause
}

export interface LinkTiming {
  /** Time that an attempt has to open, from the first provider's call to the open transport. */
  readonly connectTimeoutMs: number
  /** Time that the closing handshake has. */
  readonly closeTimeoutMs: number
  readonly heartbeat: HeartbeatTiming | undefined
}

/** What a link makes its shell do. Effects come when the state is consistent: the shell may feed inputs from inside. */
export interface LinkEffects {
  /** Begin an attempt: ask the providers, make a transport. */
  connect(): void
  /** Send the heartbeat message. @returns whether it could be sent */
  probe(): boolean
  /** Drop the transport, if there is one, without waiting for it; then tell the application. */
  ended(ending: Ending): void
}

/** An end within this time after a wake-up is one of its consequences: a browser closes what it had frozen. */
const WAKE_GRACE_MS = 5_000

/**
 * The life of one transport, from the attempt to the end: 0 connecting, 1 open, 2 closing, 3 closed.
 *
 * Facts and commands come in with the time; effects go out; {@link deadline} says when {@link tick} wants to be
 * called. Every input is allowed in every state: what does not apply changes nothing.
 */
export class Link {
  /** As in the WebSocket standard. */
  readyState: 0 | 1 | 2 | 3 = 0
  heartbeat: Heartbeat | undefined
  /** When the last frame came in; before the first one, when the transport opened. */
  receivedAt = 0
  protected readonly effects: LinkEffects
  readonly #timing: LinkTiming
  readonly #patience = new Patience()
  #openedAt = 0
  #wokenAt = -Infinity
  /** There is an attempt, a transport or a closing handshake that can end. */
  #isActive = false

  constructor(effects: LinkEffects, timing: LinkTiming) {
    this.effects = effects
    this.#timing = timing
  }

  /** Instant at which {@link tick} wants to be called next; `Infinity` while nothing is awaited. */
  get deadline(): number {
    return (this.readyState === 1 ? this.heartbeat : this.#patience)?.deadline ?? Infinity
  }

  /** Begins an attempt. */
  connect(now: number): void {
    this.#isActive = true
    this.#patience.reset()
    this.#patience.start(now, this.#timing.connectTimeoutMs)
    this.effects.connect()
  }

  /** The time has come, or has not: early, late and repeated calls are all allowed. */
  tick(now: number, sentBytes: number, queuedBytes: number): void {
    if (now < this.deadline) return
    if (this.readyState === 1) {
      const action = this.heartbeat!.tick(now, sentBytes, queuedBytes)
      if (action) this.#probe()
      else if (action === false) {
        const wasHeard = this.receivedAt > this.#openedAt
        this.#end(
          now,
          'heartbeat',
          LinkCode.heartbeatTimeout,
          wasHeard ? 'heartbeat timeout' : 'heartbeat never answered',
        )
      }
    } else if (this.#patience.check(now) === 'over') {
      if (this.readyState) this.#end(now, 'application', 1006, 'closing timeout')
      else this.#end(now, 'connectTimeout', LinkCode.connectTimeout, 'connect timeout')
    }
  }

  /** The transport is open. */
  opened(now: number): void {
    if (!this.#isActive || this.readyState) return
    this.readyState = 1
    this.#openedAt = this.receivedAt = now
    this.heartbeat = this.#timing.heartbeat && new Heartbeat(this.#timing.heartbeat, now)
  }

  /** A frame came in. */
  received(now: number, isReply: boolean): void {
    this.receivedAt = now
    this.heartbeat?.received(now, isReply)
  }

  /** The transport has closed by itself, or the closing handshake is complete. */
  ended(now: number, code: number, reason: string, wasClean: boolean): void {
    this.#end(
      now,
      (['refused', 'closed', 'application'] as const)[this.readyState as 0 | 1 | 2],
      code,
      reason,
      wasClean,
    )
  }

  /** The attempt failed before there was a transport. */
  failed(now: number): void {
    if (!this.readyState) this.#end(now, 'provider', LinkCode.providerFailed, 'provider failed')
  }

  /** The application wants the end. Final. @returns whether a closing handshake is to be begun */
  close(now: number): boolean {
    const closes = this.readyState < 2
    if (closes) {
      this.readyState = 2
      this.#isActive = true
      this.#patience.reset()
      this.#patience.start(now, this.#timing.closeTimeoutMs)
    }
    return closes
  }

  /** The host woke up, came online, became visible or was restored: find out now. */
  wake(now: number): void {
    this.#wokenAt = now
    if (this.readyState === 1 && this.heartbeat?.wake(now)) this.#probe()
  }

  /** The page goes away and may come back. */
  hide(now: number): void {
    if (this.readyState < 2) this.#end(now, 'pagehide', LinkCode.pageHidden, 'page hidden')
  }

  /**
   * Takes the end of the transport.
   *
   * @param upMs how long it was known to work; 0 if it never opened
   * @param isAlone this client alone was cut off: its path died, or its host had just woken up
   */
  protected over(_now: number, ending: Ending, _upMs: number, _isAlone: boolean): void {
    this.readyState = 3
    this.#rest()
    this.effects.ended(ending)
  }

  #probe(): void {
    if (!this.effects.probe()) this.heartbeat?.unsent()
  }

  #rest(): void {
    this.#isActive = false
    this.#patience.deadline = Infinity
  }

  #end(now: number, cause: EndCause, code: number, reason: string, wasClean = false): void {
    if (!this.#isActive) return
    this.#rest()
    // Silence that led to a verdict does not count as known to work.
    const upMs = this.readyState === 1 ? (cause === 'heartbeat' ? this.receivedAt : now) - this.#openedAt : 0
    const isAlone = cause === 'heartbeat' || (cause === 'closed' && now - this.#wokenAt < WAKE_GRACE_MS)
    this.over(now, { code, reason, wasClean, cause }, upMs, isAlone)
  }
}
