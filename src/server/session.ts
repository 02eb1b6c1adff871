import type { ServerSession } from '../core/server-session.ts'
import { HeartlineError } from '../core/error.ts'
import { numberOptions } from '../core/option.ts'
import type { Incoming } from '../core/inflow.ts'
import { checkListener, Emitter } from '../host/emitter.ts'
import { now } from '../host/clock.ts'
import { toPayload } from '../host/payload.ts'
import { checkFrom, checkTopicName } from '../host/topic-option.ts'
import type { From, Payload } from '../protocol/frame.ts'
import type { MaybePromise } from '../stores/store.ts'
import type { Identity } from './identity.ts'
import type { SessionConnection } from './session-connection.ts'
import { stored } from './stored.ts'
import { warn } from './warn.ts'

/** A message of a client. */
export interface ServerMessage {
  /** Text, or bytes. */
  readonly data: Payload
  /** The same for each delivery of this message, and for no other message. */
  readonly id: string
  /** It may have been handed over before: the handler failed, or its process died. */
  readonly redelivered: boolean
}

/** Why a session is over. */
export type SessionEnd =
  /** The client closed it; all its messages were handled. */
  | 'closed'
  /** The application closed it. */
  | 'ended'
  /** It had no connection for `ttlMs`. */
  | 'expired'
  /** Another process has it now. */
  | 'displaced'
  /** The server was closed. */
  | 'shutdown'

export interface ServerSessionEventMap {
  message: ServerMessage
  /** A new connection has taken over. */
  resumed: {
    /** Messages that the client had missed. */
    readonly sent: number
    /** Messages that the client sends once more. */
    readonly received: number
  }
  /** The connection is gone; the session waits for another one. */
  disconnected: { readonly code: number; readonly reason: string; readonly wasGhost: boolean }
  /** Smoothed round trip in milliseconds. */
  latency: { readonly latencyMs: number }
  /** It is over, and all that was kept for it is gone. */
  ended: {
    readonly reason: SessionEnd
    /** Messages to the client that it has not acknowledged. */
    readonly unacknowledged: number
  }
  error: HeartlineError
}

/** What a session asks its server. */
export interface SessionHost {
  /** @returns nothing, or the offset of the inbox whose acknowledgement whoever can wait should wait for */
  append(session: Session, data: Payload): MaybePromise<number | undefined>
  /** @returns a promise that resolves when the session is over */
  end(session: Session): Promise<void>
  readonly topics: {
    subscribe(session: Session<any>, topic: string, from: From): MaybePromise<void>
    unsubscribe(session: Session<any>, topic: string, reason: string): void
    reauthorize(session: Session<any>): Promise<void>
    namesOf(session: Session<any>): string[]
  }
}

const DONE = Promise.resolve()
/**
 * Most sends that wait for the inbox to drain. Who awaits its sends has fewer, or goes on only when all of many have
 * resolved; who does not would grow this without end.
 */
const MAX_WAITING = 1_024

/** A client's session, over any number of connections. Made by the server. */
export class Session<I extends Identity = Identity> {
  /** Who the client is: what `authenticate` returned last. */
  identity: I
  /** @internal For the server alone. */
  core!: ServerSession<SessionConnection>
  readonly #host: SessionHost
  readonly #emitter = new Emitter<ServerSessionEventMap>()
  #waiting: Incoming | undefined
  #isHandling = false
  #end: SessionEnd | undefined
  /** Sends that wait for the inbox to drain to this offset; it rises. */
  #drains: { readonly acked: number; readonly resolve: () => void }[] | undefined

  /** @internal Made by the server. */
  constructor(host: SessionHost, identity: I) {
    this.#host = host
    this.identity = identity
  }

  /** Public name of the session. Not a secret. */
  get id(): string {
    return this.core.id
  }

  /** Whom it belongs to; '' for the anonymous. */
  get subject(): string {
    return this.identity.subject
  }

  /** Whether there is a connection now, as far as anybody knows. */
  get isConnected(): boolean {
    return this.core.transport !== undefined
  }

  /** Messages to the client that it has not acknowledged. */
  get pending(): number {
    return this.core.last - this.core.acked
  }

  /** Smoothed round trip of the connection in milliseconds; `undefined` before the first heartbeat. */
  get latencyMs(): number | undefined {
    return this.core.transport?.latency.smoothedMs
  }

  /**
   * Sends a message, which reaches the client once and in its place, over this connection or a later one.
   *
   * Resolves when it is stored; while the inbox is more than half full, when half of it has been acknowledged (not inside
   * a `message` listener of this session, which would wait for itself). Rejects with `ERR_SESSION_CLOSED` or `ERR_STORE`; a
   * rejection that nobody looks at does no harm. Who does not await it may fill the inbox: then the oldest messages are let
   * go, and the client gets a gap.
   *
   * @param data text, or bytes, which are copied
   * @throws HeartlineError `ERR_OPTION` for anything else
   */
  send(data: string | ArrayBuffer | ArrayBufferView): Promise<void> {
    const payload = toPayload(data)
    const appended = this.#end
      ? Promise.reject(new HeartlineError('ERR_SESSION_CLOSED', `The session is over: ${this.#end}.`))
      : this.#host.append(this, payload)
    const isHandling = this.#isHandling
    if (appended === undefined) return DONE
    const sent = Promise.resolve(appended).then((acked) => {
      if (acked === undefined || isHandling || this.#end) return
      const drains = (this.#drains ??= [])
      if (drains.length >= MAX_WAITING) return
      return new Promise<void>((resolve) => void drains.push({ acked, resolve }))
    })
    sent.catch(() => {})
    return sent
  }

  /** See the client's `on()`: a message whose listener rejects is delivered again, and those behind it wait. */
  on<Type extends keyof ServerSessionEventMap>(
    type: Type,
    listener: (event: ServerSessionEventMap[Type]) => unknown,
  ): () => void {
    checkListener(type, listener, ['message', 'resumed', 'disconnected', 'latency', 'ended', 'error'])
    const off = this.#emitter.on(type, listener)
    const waiting = this.#waiting
    if (type === 'message' && waiting) {
      this.#waiting = undefined
      queueMicrotask(() => {
        if (this.deliver(waiting)) this.core.handled(now())
      })
    }
    return off
  }

  /**
   * Subscribes the session to a topic: the client gets what is published to it by its session's `message` event, with `topic`
   * set. Neither `authorize` nor `limits.maxSubscriptionsPerSession` is asked. A client that knows the topic from an earlier
   * session goes on where it was. Without effect if the session has subscribed already, or is over.
   *
   * @param topic its name, 1 to 256 characters, the first of them not `$`
   * @param options.from where it begins: behind all that there is (`now`), before all that is kept (`first`), before the
   * last few (`{ last: 10 }`), or behind a position. @default 'now'
   * @returns a promise that resolves when it is subscribed; rejects with `ERR_STORE`, which does no harm if nobody looks at it
   * @throws HeartlineError `ERR_OPTION`
   */
  subscribe(topic: string, options: { from?: From | undefined } = {}): Promise<void> {
    checkTopicName(topic)
    numberOptions('', options, { from: null })
    const { from = 'now' } = options
    checkFrom(from)
    return stored(() => this.#host.topics.subscribe(this, topic, from))
  }

  /**
   * Ends the session's subscription to a topic, whoever has made it. What is on its way is still delivered; then a client that
   * had subscribed by itself has the event `ended`, with the reason `unsubscribed`. One that is away hears of it only by being
   * refused: it asks again when it comes back, so to keep it out `authorize` has to say no. Without effect if there is none.
   */
  unsubscribe(topic: string): void {
    this.#host.topics.unsubscribe(this, topic, 'unsubscribed')
  }

  /** Names of the topics that the session has subscribed to. */
  get subscriptions(): string[] {
    return this.#host.topics.namesOf(this)
  }

  /**
   * Asks `authorize` again for all topics that the client has subscribed to, one after the other, and ends those that it may no
   * longer have (`unauthorized`); until it has answered, messages go on. `identity` is what `authenticate` returned last. What
   * the server has subscribed it to is not asked for.
   *
   * Resolves when all are asked. Rejects with what `authorize` throws; those behind that are not asked then.
   */
  reauthorize(): Promise<void> {
    return this.#host.topics.reauthorize(this)
  }

  /** Ends the session, when the client has acknowledged what was sent to it; without a connection, or after 5 s, at once. */
  close(): Promise<void> {
    return this.#host.end(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal For the server alone. @returns whether the message has been handled */
  deliver(incoming: Incoming): boolean {
    if (!this.#emitter.count('message')) {
      this.#waiting = incoming
      return false
    }
    const { data, id, failures } = incoming
    this.#isHandling = true
    try {
      const pending = this.#emitter.hand('message', { data, id, redelivered: failures > 0 })
      if (pending) {
        pending.then(
          () => {
            this.#isHandling = false
            this.core.handled(now())
          },
          (error: unknown) => this.#failed(error),
        )
      } else this.#isHandling = false
      return !pending
    } catch (error) {
      // Not from inside: the core waits for the answer.
      queueMicrotask(() => this.#failed(error))
      return false
    }
  }

  /** @internal For the server alone. */
  emit<Type extends keyof ServerSessionEventMap>(type: Type, event: ServerSessionEventMap[Type]): void {
    this.#emitter.emit(type, event)
  }

  /** @internal For the server alone: the client has acknowledged more. */
  drained(): void {
    const drains = this.#drains
    if (!drains) return
    const { acked } = this.core
    const firstOpen = this.#end ? -1 : drains.findIndex((drain) => drain.acked > acked)
    if (firstOpen < 0) this.#drains = undefined
    for (const { resolve } of drains.splice(0, firstOpen < 0 ? drains.length : firstOpen)) resolve()
  }

  /** @internal For the server alone: it is over. */
  ended(reason: SessionEnd): void {
    if (this.#end) return
    this.#end = reason
    this.drained()
    this.emit('ended', { reason, unacknowledged: this.pending })
  }

  /** Why it is over; `undefined` while it is not. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  #failed(cause: unknown): void {
    this.#isHandling = false
    this.core.failed(now())
    const error = new HeartlineError('ERR_HANDLER', 'A message was not handled; it is delivered again.', { cause })
    if (this.#emitter.count('error')) this.emit('error', error)
    // Not thrown, as a browser would: what a client sends must not end the process of all.
    else warn(error)
  }
}
