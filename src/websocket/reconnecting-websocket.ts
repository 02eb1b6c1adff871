import { Connection, type ConnectionState, type RetryPolicy } from '../core/connection.ts'
import { HeartlineError } from '../core/error.ts'
import type { Ending } from '../core/link.ts'
import { numberOptions, optionError } from '../core/option.ts'
import { Outbox } from '../core/outbox.ts'
import type { Retry } from '../core/retry.ts'
import { now, report } from '../host/clock.ts'
import { ask, isUrl, providerContext, type Provider } from '../host/provider.ts'
import { retryPolicy, type ReconnectOptions } from '../host/reconnect.ts'
import { byteLength, snapshot, type Data } from './data.ts'
import type { SocketEventMap } from './events.ts'
import { checkProtocols, type ProbingHeartbeat, type SocketOptions } from './options.ts'
import { getHandler, setHandler, Socket } from './socket.ts'

export interface OutboxOptions {
  /** Messages that are held while there is no connection, 0 to Infinity. @default 1000 */
  maxMessages?: number
  /** Bytes that are held while there is no connection, 0 to Infinity. @default 4194304 */
  maxBytes?: number
  /**
   * What happens to a message for which there is no room: `throw` makes `send()` throw `ERR_OUTBOX_FULL`;
   * `dropOldest` gives up the oldest held ones, each with a `drop` event. @default 'throw'
   */
  onOverflow?: 'throw' | 'dropOldest'
  /**
   * What happens to messages whose arrival nothing proved when the connection died: `report` hands them over with the
   * `statechange` event; `resend` sends them once more, so the server may get them twice. @default 'report'
   */
  inDoubt?: 'report' | 'resend'
}

/** Options of {@link ReconnectingWebSocket}. */
export interface ReconnectingOptions extends SocketOptions {
  reconnect?: ReconnectOptions
  outbox?: OutboxOptions
}

/** Event of `statechange`. */
export interface StateChangeEvent extends Event {
  readonly state: ConnectionState
  /** How the attempt or connection before ended; only when one did. */
  readonly ending: Ending | undefined
  /** Attempts since the last stable connection. */
  readonly attempts: number
  /** Milliseconds until the next attempt; only in the state `waiting`. */
  readonly retryInMs: number | undefined
  /**
   * Messages that went into the connection that ended and that nothing proved to have arrived: with `isReply` no reply
   * to a later heartbeat, without it no frame at all. Empty with `inDoubt: 'resend'`.
   */
  readonly inDoubt: readonly Data[]
  /** Further messages in doubt that the limits of the outbox did not allow to keep. */
  readonly untracked: number
  /** Messages that were held and will not be sent, in the state `closed`. */
  readonly unsent: readonly Data[]
}

/** Event of `drop`: a message that will not be sent. */
export interface DropEvent extends Event {
  readonly data: Data
  readonly reason: 'overflow' | 'closed'
}

export interface ReconnectingEventMap extends SocketEventMap {
  statechange: StateChangeEvent
  drop: DropEvent
}

/** Default and range of each option that is a number. */
export const outboxRules = {
  onOverflow: null,
  inDoubt: null,
  maxMessages: [1_000, 0, Infinity],
  maxBytes: [4_194_304, 0, Infinity],
} as const

/**
 * A WebSocket that notices its own death and opens a new connection, one attempt at a time, without waiting for the
 * dead one. `open` and `close` fire for each connection; `statechange` tells everything.
 */
export class ReconnectingWebSocket extends Socket<ReconnectingEventMap, Connection, [RetryPolicy]> {
  readonly #url: Provider<string | URL>
  readonly #protocols: Provider<string | string[] | undefined>
  readonly #retry: Retry
  readonly #outbox: Outbox<Data>
  readonly #dropsOldest: boolean
  readonly #resends: boolean
  readonly #hasReplies: boolean
  #lastEnding: Ending | undefined
  #attempt = 0

  /**
   * @throws DOMException `SyntaxError` for a URL or protocols that the WebSocket constructor does not take
   * @throws HeartlineError `ERR_OPTION`, `ERR_NO_WEBSOCKET`
   */
  constructor(
    url: Provider<string | URL>,
    protocols?: Provider<string | string[] | undefined>,
    options: ReconnectingOptions = {},
  ) {
    checkProtocols(protocols)
    const { reconnect, outbox = {}, ...socketOptions } = options
    const limits = numberOptions('outbox.', outbox, outboxRules)
    const retry = retryPolicy(reconnect)
    super(socketOptions, Connection, retry)
    this.#url = url
    this.#protocols = protocols
    this.#retry = retry
    this.#outbox = new Outbox(limits)
    this.#dropsOldest = isSecond('outbox.onOverflow', outbox.onOverflow, ['throw', 'dropOldest'])
    this.#resends = isSecond('outbox.inDoubt', outbox.inDoubt, ['report', 'resend'])
    this.#hasReplies = !!(options.heartbeat as ProbingHeartbeat | undefined)?.isReply
    this.start()
  }

  /** `waiting` between two attempts, `suspended` while the page is in the back/forward cache. */
  get state(): ConnectionState {
    return this.link.state
  }

  /** Attempts since the last stable connection. */
  get attempts(): number {
    return this.#retry.attempts
  }

  /** Milliseconds until the next attempt, in the state `waiting`. */
  get retryInMs(): number | undefined {
    return this.state === 'waiting' ? Math.max(0, this.link.retryAt - now()) : undefined
  }

  get onstatechange(): ((event: StateChangeEvent) => any) | null {
    return getHandler(this, 'statechange')
  }

  set onstatechange(handler: ((event: StateChangeEvent) => any) | null) {
    setHandler(this, 'statechange', handler)
  }

  get ondrop(): ((event: DropEvent) => any) | null {
    return getHandler(this, 'drop')
  }

  set ondrop(handler: ((event: DropEvent) => any) | null) {
    setHandler(this, 'drop', handler)
  }

  /** As the standard has it for the connection that is there, and what is held while there is no connection. */
  override get bufferedAmount(): number {
    return this.readyState ? super.bufferedAmount : this.discardedBytes + this.#outbox.bytes
  }

  /**
   * Sends, or holds the message until there is a connection. After `close()` the message is dropped, with a `drop` event.
   *
   * @throws HeartlineError `ERR_OUTBOX_FULL`
   */
  override send(data: Data): void {
    const copy = snapshot(data)
    const bytes = byteLength(copy)
    const outbox = this.#outbox
    if (this.readyState > 1) {
      this.discardedBytes += bytes
      this.#drop(copy, 'closed')
    } else if (this.readyState && this.transport!.readyState === 1) {
      this.give(copy)
      outbox.track(copy, bytes)
    } else {
      outbox.makeRoom(bytes)
      if (this.#dropsOldest && bytes <= outbox.limits.maxBytes) {
        while (outbox.held && !outbox.hasRoom(bytes)) this.#drop(outbox.dropOldest()!, 'overflow')
      }
      if (!outbox.hasRoom(bytes)) {
        throw new HeartlineError('ERR_OUTBOX_FULL', `No room for ${bytes} bytes: ${outbox.bytes} are held already.`)
      }
      outbox.hold(copy, bytes)
    }
  }

  protected override connect(): void {
    const url = this.#url
    const protocols = this.#protocols
    const attempt = ++this.#attempt
    this.changed()
    if (this.state !== 'connecting') return
    if (typeof url !== 'function' && typeof protocols !== 'function' && attempt < 2) return this.attach(url, protocols)
    const context = providerContext(this.#lastEnding, this.attempts)
    const isCurrent = () => attempt === this.#attempt && this.state === 'connecting'
    Promise.all([ask(url, context, isUrl), ask(protocols, context, areProtocols)])
      .then(([url, protocols]) => {
        if (!isCurrent()) return
        this.attach(url, protocols)
      })
      .catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : 'see `cause`'
        if (isCurrent())
          this.failed(new HeartlineError('ERR_PROVIDER', `No connection could be made: ${why}`, { cause }))
      })
  }

  protected override opened(): void {
    this.#outbox.flush((data) => {
      const isOpen = this.transport!.readyState === 1
      try {
        if (isOpen) this.give(data)
      } catch (error) {
        // This transport does not take it: in doubt, like all that has gone, and the rest goes on.
        report(error)
      }
      return isOpen
    })
    super.opened()
  }

  protected override received(isReply: boolean): void {
    if (!this.#hasReplies) this.#outbox.arrived()
    else if (isReply) this.#outbox.replied()
  }

  protected override probed(): void {
    this.#outbox.probed()
  }

  protected override changed(ending?: Ending): void {
    const { state, attempts, retryInMs } = this
    const outbox = this.#outbox
    const isClosed = state === 'closed'
    let untracked = 0
    let inDoubt: Data[] = []
    if (ending) {
      this.#lastEnding = ending
      // The peer answered our close frame, so it has read what went before.
      if (ending.cause === 'application' && ending.wasClean && ending.code === this.closeCode) outbox.arrived()
      untracked = outbox.untracked
      inDoubt = outbox.lost(this.#resends && !isClosed)
    }
    let unsent: Data[] = []
    if (isClosed) {
      const rest = outbox.clear()
      inDoubt.push(...rest.inDoubt)
      unsent = rest.unsent
    }
    this.emit('statechange', { state, ending, attempts, retryInMs, inDoubt, untracked, unsent })
  }

  #drop(data: Data, reason: DropEvent['reason']): void {
    this.emit('drop', { data, reason })
  }
}

const areProtocols = (value: unknown): boolean =>
  value === undefined || typeof value === 'string' || Array.isArray(value)

/** @returns whether the second choice was made; the first one is the default */
function isSecond(name: string, value: string | undefined, choices: readonly [string, string]): boolean {
  if (value !== undefined && !choices.includes(value)) {
    throw optionError(`Expected \`${name}\` to be ${choices.join(' or ')}, got ${String(value)}.`)
  }
  return value === choices[1]
}
