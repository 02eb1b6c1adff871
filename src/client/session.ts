import { ClientSession } from '../core/client-session.ts'
import type { ClientSubscription } from '../core/client-subscription.ts'
import type { ConnectionState } from '../core/connection.ts'
import { HeartlineError, type ErrorCode } from '../core/error.ts'
import type { Incoming } from '../core/inflow.ts'
import type { Ending } from '../core/link.ts'
import { numberOptions, optionError } from '../core/option.ts'
import { isRetryable, type Retry } from '../core/retry.ts'
import type { Fate, Outgoing } from '../core/session-outbox.ts'
import type { TopicGap, TopicIncoming } from '../core/topic-incoming.ts'
import { now, report } from '../host/clock.ts'
import { Driver } from '../host/driver.ts'
import { checkListener, Emitter } from '../host/emitter.ts'
import { ask, isUrl, providerContext, type Provider } from '../host/provider.ts'
import { retryPolicy } from '../host/reconnect.ts'
import { toPayload } from '../host/payload.ts'
import { checkFrom, checkTopicName } from '../host/topic-option.ts'
import { atEndOfTurn } from '../host/turn.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { PONG } from '../protocol/encode.ts'
import type { From, Payload, Position } from '../protocol/frame.ts'
import { MAX_QUEUED_BEFORE_PONG, PROTOCOL } from '../protocol/limits.ts'
import type { GapEvent, SessionEventMap, SessionMessage } from './events.ts'
import { Handover } from './handover.ts'
import { iterate } from './iterate.ts'
import {
  sessionOptions,
  type ConnectOptions,
  type SessionTransport,
  type SessionTransportConstructor,
} from './options.ts'
import {
  Subscription,
  topicMessage,
  type SnapshotContext,
  type SubscriptionHost,
  type TopicReceiver,
} from './subscription.ts'

/** How a subscription begins. */
export interface SubscribeOptions {
  /**
   * Where it begins: behind all that there is (`now`), before all that is kept (`first`), before the last few
   * (`{ last: 10 }`), or behind a position, such as `subscription.position` of an earlier session. It counts once: after that
   * the subscription goes on where it was. @default 'now'
   */
  from?: From | undefined
  /**
   * Loads what the topic stands for, before the first message and after each gap. The position is known by then, and all
   * messages behind it follow when the promise has resolved: what changes while it loads is not missed. The data must not be
   * older than that position. It may return the one that they stand for: messages up to it are left out. If it fails, it is
   * called again, after 1 s, then 2, 4, … 30 s, with an `error` event (`ERR_HANDLER`).
   */
  snapshot?: (context: SnapshotContext) => Position | void | Promise<Position | void>
}

/** Default and range of each option of `subscribe()`. */
const subscribeRules = { from: null, snapshot: null } as const

/** A message on its way to the server, and the promise of its `send()`. */
class Sending implements Outgoing {
  readonly data: Payload
  wasSent = false
  readonly promise: Promise<void>
  resolve!: () => void
  #reject!: (error: HeartlineError) => void

  constructor(data: Payload) {
    this.data = data
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.#reject = reject
    })
  }

  fail(code: ErrorCode, text: string): void {
    // Who does not await a `send()` must not be ended by it; nothing that succeeds pays for this.
    this.promise.catch(() => {})
    this.#reject(new HeartlineError(code, text))
  }
}

const EVENTS = ['message', 'state', 'resumed', 'gap', 'lost', 'latency', 'superseded', 'error']

const failures: Record<Exclude<Fate, 'accepted'>, readonly [ErrorCode, string]> = {
  lost: [
    'ERR_SESSION_LOST',
    'The session ended before the server had acknowledged the message. The event `lost` says whether it was sent.',
  ],
  tooLarge: ['ERR_MESSAGE_TOO_LARGE', 'The message is larger than the server takes.'],
}

/**
 * A session with a heartline server, over any number of connections: what either side sends reaches the other one once and
 * in order, or the application is told what is missing.
 */
export class Session {
  readonly #core: ClientSession<Sending, TopicReceiver>
  readonly #driver: Driver
  readonly #emitter = new Emitter<SessionEventMap>()
  readonly #retry: Retry
  readonly #url: Provider<string | URL>
  readonly #auth: Provider<unknown>
  readonly #WebSocket: SessionTransportConstructor
  readonly #closed: Promise<void>
  #resolveClosed!: () => void
  #transport: SessionTransport | undefined
  #sentBytes = 0
  #lastEnding: Ending | undefined
  /** What the current transport has complained of. */
  #error: Error | undefined
  #attempt = 0
  #state: ConnectionState | undefined
  readonly #handover: Handover<Incoming>
  readonly #subscriptionHost: SubscriptionHost
  /** Of the topics that the server has subscribed this session to. */
  readonly #adopted = new Set<Handover<TopicIncoming>>()

  /** Use `connect()`. */
  constructor(url: Provider<string | URL>, options: ConnectOptions) {
    if (!isUrl(url) && typeof url !== 'function') throw optionError('Expected `url` to be text, a URL, or a function.')
    const { auth, WebSocket = globalThis.WebSocket, signal } = options
    const coreOptions = sessionOptions(options)
    if (typeof WebSocket !== 'function')
      throw new HeartlineError('ERR_NO_WEBSOCKET', 'No WebSocket constructor here: pass one as option `WebSocket`.')
    signal?.throwIfAborted()
    this.#url = url
    this.#auth = auth
    this.#WebSocket = WebSocket
    // Whoever can ask for another token may be accepted with it.
    const mayRenew = typeof auth === 'function'
    this.#retry = retryPolicy(
      options.reconnect,
      (ending) => isRetryable(ending) || (mayRenew && ending.code === CloseCode.unauthorized),
    )
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.#core = new ClientSession<Sending, TopicReceiver>(
      {
        connect: () => this.#connect(),
        transmit: (message) => this.#transmit(message),
        closeTransport: () => this.#closeTransport(),
        ended: (ending) => this.#ended(ending),
        schedule: () => atEndOfTurn(() => this.#flush()),
        deliver: (message) => this.#handover.deliver(message),
        gap: ({ session, generation, from, to, reason }) =>
          this.#emitter.emit('gap', { stream: 'inbox', session, generation, from, to, reason }),
        resumed: (resumed) => this.#emitter.emit('resumed', resumed),
        settled: (message, fate) => settle(message, fate),
        lost: (messages) =>
          this.#emitter.emit('lost', { messages: messages.map(({ data, wasSent }) => ({ data, wasSent })) }),
        latency: (latencyMs) => this.#emitter.emit('latency', { latencyMs }),
        changed: () => this.#changed(),
        random: Math.random,
        deliverTopic: ({ owner }, message) => owner.deliver(message),
        snapshot: ({ owner }, position, reason) => owner.snapshot(position, reason),
        topicGap: ({ owner }, gap) => owner.gap(gap),
        subscribed: ({ owner }) => owner.subscribed(),
        unsubscribed: ({ owner }, reason) => owner.ended(reason),
        over: ({ owner }) => owner.over(),
        adopt: (subscription) => this.#adopt(subscription),
      },
      coreOptions,
      this.#retry,
    )
    this.#driver = new Driver(this.#core, (now) =>
      this.#core.tick(now, this.#sentBytes, this.#transport?.bufferedAmount ?? 0),
    )
    this.#handover = this.#messages<Incoming>(
      ({ data, id, failures }) => ({ data, id, redelivered: failures > 0 }),
      () => this.#core.handled(now()),
      () => this.#core.failed(now()),
    )
    this.#subscriptionHost = {
      handled: (subscription) => this.#armed(() => this.#core.topicHandled(now(), subscription)),
      failed: (subscription, error, isHeard) => {
        this.#armed(() => this.#core.topicFailed(now(), subscription))
        if (!isHeard) this.#complain(error)
      },
      unsubscribe: (subscription, isWaiting) =>
        this.#armed(() => this.#core.topics.unsubscribe(subscription, isWaiting)),
      unheard: (topic, reason) => {
        const error = new HeartlineError(
          'ERR_UNSUBSCRIBED',
          `The server has ended the subscription to ${topic}: ${reason}.`,
        )
        if (this.#emitter.count('error')) this.#emitter.emit('error', error)
        // A topic that is just silent would be looked for elsewhere.
        else console.warn(String(error))
      },
      gapEvent: (topic, gap) => this.#topicGap(topic, gap),
    }
    // Listeners that are added in this turn hear everything.
    queueMicrotask(() => {
      if (this.state === 'closed') return
      this.#core.connection.connect(now())
      this.#driver.start(signal, () => void this.close())
    })
  }

  /** Public name of the session, not a secret; `undefined` before the first connection. Another one after `lost`. */
  get id(): string | undefined {
    return this.#core.id
  }

  /** `connecting`, `open`, `waiting` between two attempts, `suspended` in the back/forward cache, `closing`, `closed`. */
  get state(): ConnectionState {
    return this.#core.state
  }

  /** Messages that the server has not acknowledged. */
  get pending(): number {
    return this.#core.pending
  }

  /** Smoothed round trip in milliseconds; `undefined` before the first heartbeat. */
  get latencyMs(): number | undefined {
    return this.#core.latencyMs
  }

  /**
   * Sends a message, now or as soon as there is a connection.
   *
   * Resolves when the server has accepted it, by default when its handler has succeeded. Rejects with `ERR_OUTBOX_FULL`,
   * `ERR_MESSAGE_TOO_LARGE`, `ERR_SESSION_CLOSED`, or `ERR_SESSION_LOST`. A rejection that nobody looks at does no harm.
   *
   * @param data text, or bytes, which are copied
   * @throws HeartlineError `ERR_OPTION` for anything else
   */
  send(data: string | ArrayBuffer | ArrayBufferView): Promise<void> {
    const payload = toPayload(data)
    const message = new Sending(payload)
    if (this.state === 'closing' || this.state === 'closed')
      message.fail('ERR_SESSION_CLOSED', 'The session is closed.')
    else if (payload.length > this.#core.maxMessageBytes) settle(message, 'tooLarge')
    else if (!this.#core.send(message))
      message.fail('ERR_OUTBOX_FULL', `No room: ${this.pending} messages are not acknowledged.`)
    else if (this.#core.isEager) this.#flush()
    return message.promise
  }

  /**
   * Adds a listener. The next message is delivered when the promise that a `message` listener returns has resolved; until
   * there is such a listener, messages wait. If it rejects, the message is not acknowledged but delivered again, after
   * 1 s, then 2, 4, … 30 s, and all messages behind it wait.
   *
   * @returns a function that takes the listener away
   */
  on<Type extends keyof SessionEventMap>(type: Type, listener: (event: SessionEventMap[Type]) => unknown): () => void {
    checkListener(type, listener, EVENTS)
    const off = this.#emitter.on(type, listener)
    if (type === 'message') {
      this.#handover.listened()
      for (const handover of this.#adopted) handover.listened()
    }
    return off
  }

  /**
   * Subscribes to a topic, now or as soon as there is a connection. The server's `authorize` is asked, now and at each
   * connection. The subscription outlives connections, and sessions: it goes on where it was as long as the server keeps the
   * messages; otherwise it has a `gap`. If the server says no, it has the event `ended`.
   *
   * @param topic its name, 1 to 256 characters, the first of them not `$`
   * @throws HeartlineError `ERR_OPTION`, `ERR_SUBSCRIBED`, `ERR_SESSION_CLOSED`
   */
  subscribe(topic: string, options: SubscribeOptions = {}): Subscription {
    checkTopicName(topic)
    numberOptions('', options, subscribeRules)
    const { from = 'now', snapshot } = options
    checkFrom(from)
    if (snapshot !== undefined && typeof snapshot !== 'function')
      throw optionError('Expected `snapshot` to be a function.')
    if (this.#core.topics.has(topic))
      throw new HeartlineError('ERR_SUBSCRIBED', `The session has subscribed to ${topic} already.`)
    const core = this.#core.subscribe(topic, from, !!snapshot)
    if (!core) throw new HeartlineError('ERR_SESSION_CLOSED', 'The session is closed.')
    return new Subscription(core, this.#subscriptionHost, snapshot)
  }

  /** The messages, one by one: each counts as handled when the next one is asked for, or the loop is left. */
  [Symbol.asyncIterator](): AsyncGenerator<SessionMessage, void, void> {
    return iterate<SessionMessage>((listener) => this.on('message', listener), this.#closed)
  }

  /**
   * Ends the session for good. What was sent before has `closeTimeoutMs` to be acknowledged; the rest is handed back by `lost`.
   * Resolves when it is over; never rejects.
   */
  close(): Promise<void> {
    if (!this.#attempt && this.state === 'connecting' && !this.pending) {
      // Nothing has begun yet, and nothing has to.
      this.#core.connection.close(now())
      this.#core.connection.ended(now(), 1005, '', false)
    } else this.#core.close(now())
    this.#driver.arm()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #connect(): void {
    const attempt = ++this.#attempt
    this.#transport = undefined
    this.#changed()
    const context = providerContext(this.#lastEnding, this.#retry.attempts)
    const isCurrent = () => attempt === this.#attempt && this.#core.connection.readyState === 0
    Promise.all([ask(this.#url, context, isUrl), ask(this.#auth, context, () => true)])
      .then(([url, auth]) => {
        if (isCurrent()) this.#attach(url, auth)
      })
      .catch((cause: unknown) => {
        if (!isCurrent()) return
        const why = cause instanceof Error ? cause.message : 'see `cause`'
        this.#emitter.emit(
          'error',
          new HeartlineError('ERR_PROVIDER', `No connection could be made: ${why}`, { cause }),
        )
        this.#core.connection.failed(now())
        this.#driver.arm()
      })
  }

  #attach(url: string | URL, auth: unknown): void {
    const { connection } = this.#core
    const { protocols, first } = this.#core.hello(auth)
    const transport = new this.#WebSocket(url, protocols)
    this.#transport = transport
    this.#error = undefined
    this.#sentBytes = 0
    transport.binaryType = 'arraybuffer'
    let wasOpen = false
    transport.onopen = () => {
      wasOpen = true
      if (transport.protocol !== PROTOCOL) {
        connection.ended(now(), CloseCode.notHeartline, 'the server does not speak heartline.v1', false)
        this.#driver.arm()
      } else if (first !== undefined) this.#transmit(first)
    }
    transport.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      this.#core.received(now(), typeof data === 'string' ? data : new Uint8Array(data))
      this.#driver.arm()
    }
    transport.onclose = ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) => {
      connection.ended(now(), code, reason, wasClean)
      this.#driver.arm()
    }
    transport.onerror = ({ error }: { error?: Error }) => {
      this.#error = error
      // Undici (Node's own WebSocket) gives no close event after an attempt that failed.
      if (!wasOpen) queueMicrotask(() => transport.onclose?.({ code: 1006, reason: '', wasClean: false }))
    }
  }

  #transmit(message: Payload): void {
    // Whoever asks and does not read has enough to hear from us: answers must not pile up.
    if (message === PONG && (this.#transport?.bufferedAmount ?? 0) > MAX_QUEUED_BEFORE_PONG) return
    this.#sentBytes += message.length
    try {
      this.#transport?.send(message)
    } catch {
      // The transport is dying; its end follows, and the message stays in the outbox.
    }
  }

  #closeTransport(): void {
    this.#transport?.close(1000)
  }

  #ended(ending: Ending): void {
    const transport = this.#transport
    this.#transport = undefined
    this.#lastEnding = ending
    if (transport) {
      transport.onopen = transport.onmessage = transport.onclose = null
      // `ws` throws what nobody listens to.
      transport.onerror = () => {}
      try {
        // A closing handshake over a dead path leads nowhere.
        if (transport.terminate && (ending.cause === 'heartbeat' || ending.code === 1006)) transport.terminate()
        else transport.close(ending.code, ending.reason)
      } catch {
        // A code that must not be sent: the transport has given it.
        transport.close()
      }
    }
    this.#changed(ending)
    if (this.state !== 'closed') return
    this.#driver.stop()
    if (ending.code === CloseCode.superseded) this.#emitter.emit('superseded', {})
    this.#resolveClosed()
  }

  #changed(ending?: Ending): void {
    const { state } = this
    if (state === this.#state && !ending) return
    this.#state = state
    const { retryAt } = this.#core.connection
    const retryInMs = state === 'waiting' ? Math.max(0, Math.ceil(retryAt - now())) : undefined
    this.#emitter.emit('state', {
      state,
      ending,
      error: ending && this.#error,
      attempts: this.#retry.attempts,
      retryInMs,
    })
  }

  #flush(): void {
    this.#core.flush(now())
    this.#driver.arm()
  }

  /** What is for this session's own listeners. */
  #messages<I>(toMessage: (item: I) => SessionMessage, handled: () => void, failed: () => void): Handover<I> {
    return new Handover<I>(
      (item) => this.#emitter.hand('message', toMessage(item)),
      () => this.#emitter.count('message') > 0,
      () => this.#armed(handled),
      (error) => {
        this.#armed(failed)
        this.#complain(error)
      },
    )
  }

  /** The server has subscribed this session: what comes goes to the session's own listeners. */
  #adopt(subscription: ClientSubscription<TopicReceiver>): TopicReceiver {
    const { topic } = subscription
    const handover = this.#messages<TopicIncoming>(
      topicMessage,
      () => this.#core.topicHandled(now(), subscription),
      () => this.#core.topicFailed(now(), subscription),
    )
    this.#adopted.add(handover)
    return {
      deliver: (message) => handover.deliver(message),
      snapshot: () => {},
      gap: (gap) => this.#emitter.emit('gap', this.#topicGap(topic, gap)),
      subscribed: () => {},
      ended: () => this.#adopted.delete(handover),
      over: () => {},
    }
  }

  #topicGap(topic: string, gap: TopicGap): GapEvent {
    return { stream: 'topic', topic, session: this.id ?? '', ...gap }
  }

  /** Tells the core something, and sets the timer to what it wants then. */
  #armed(tell: () => void): void {
    tell()
    this.#driver.arm()
  }

  #complain(error: HeartlineError): void {
    if (this.#emitter.count('error')) this.#emitter.emit('error', error)
    else report(error)
  }
}

function settle(message: Sending, fate: Fate): void {
  if (fate === 'accepted') message.resolve()
  else message.fail(...failures[fate])
}
