import { ClientSession, type Fate, type Outgoing } from '../core/client-session.ts'
import type { ConnectionState } from '../core/connection.ts'
import { HeartlineError, type ErrorCode } from '../core/error.ts'
import type { Incoming } from '../core/inflow.ts'
import type { Ending } from '../core/link.ts'
import { optionError } from '../core/option.ts'
import { isRetryable, type Retry } from '../core/retry.ts'
import { now, report } from '../host/clock.ts'
import { Driver } from '../host/driver.ts'
import { checkListener, Emitter } from '../host/emitter.ts'
import { ask, isUrl, providerContext, type Provider } from '../host/provider.ts'
import { retryPolicy } from '../host/reconnect.ts'
import { toPayload } from '../host/payload.ts'
import { atEndOfTurn } from '../host/turn.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { PONG } from '../protocol/encode.ts'
import type { Payload } from '../protocol/frame.ts'
import { MAX_QUEUED_BEFORE_PONG, PROTOCOL } from '../protocol/limits.ts'
import type { SessionEventMap, SessionMessage } from './events.ts'
import {
  sessionOptions,
  type ConnectOptions,
  type SessionTransport,
  type SessionTransportConstructor,
} from './options.ts'

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
  readonly #core: ClientSession<Sending>
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
  /** Is to be delivered as soon as somebody listens. */
  #waiting: Incoming | undefined

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
    this.#core = new ClientSession<Sending>(
      {
        connect: () => this.#connect(),
        transmit: (message) => this.#transmit(message),
        closeTransport: () => this.#closeTransport(),
        ended: (ending) => this.#ended(ending),
        schedule: () => atEndOfTurn(() => this.#flush()),
        deliver: (message) => this.#deliver(message),
        gap: (gap) => this.#emitter.emit('gap', { stream: 'inbox', ...gap }),
        resumed: (resumed) => this.#emitter.emit('resumed', resumed),
        settled: (message, fate) => settle(message, fate),
        lost: (messages) =>
          this.#emitter.emit('lost', { messages: messages.map(({ data, wasSent }) => ({ data, wasSent })) }),
        latency: (latencyMs) => this.#emitter.emit('latency', { latencyMs }),
        changed: () => this.#changed(),
        random: Math.random,
      },
      coreOptions,
      this.#retry,
    )
    this.#driver = new Driver(this.#core, (now) =>
      this.#core.tick(now, this.#sentBytes, this.#transport?.bufferedAmount ?? 0),
    )
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
    const waiting = this.#waiting
    if (type === 'message' && waiting) {
      this.#waiting = undefined
      queueMicrotask(() => {
        if (this.#deliver(waiting)) this.#handled()
      })
    }
    return off
  }

  /** The messages, one by one: each counts as handled when the next one is asked for, or the loop is left. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SessionMessage, void, void> {
    let arrived: (() => void) | undefined
    let current: { readonly message: SessionMessage; readonly done: () => void } | undefined
    // Once: whoever races with a promise that stays open leaves something behind in it each time.
    void this.#closed.then(() => arrived?.())
    const off = this.on('message', (message) => {
      return new Promise<void>((done) => {
        current = { message, done }
        arrived?.()
      })
    })
    try {
      for (;;) {
        if (!current && this.state !== 'closed') await new Promise<void>((resolve) => (arrived = resolve))
        if (!current) return
        const { message, done } = current
        try {
          yield message
        } finally {
          current = undefined
          done()
        }
      }
    } finally {
      off()
    }
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

  #deliver(incoming: Incoming): boolean {
    if (!this.#emitter.count('message')) {
      this.#waiting = incoming
      return false
    }
    try {
      const { data, id, failures } = incoming
      const pending = this.#emitter.hand('message', { data, id, redelivered: failures > 0 })
      if (!pending) return true
      pending.then(
        () => this.#handled(),
        (error: unknown) => this.#failed(error),
      )
    } catch (error) {
      // Not from inside: the core waits for the answer.
      queueMicrotask(() => this.#failed(error))
    }
    return false
  }

  #handled(): void {
    this.#core.handled(now())
    this.#driver.arm()
  }

  #failed(cause: unknown): void {
    this.#core.failed(now())
    this.#driver.arm()
    const error = new HeartlineError('ERR_HANDLER', 'A message was not handled; it is delivered again.', { cause })
    if (this.#emitter.count('error')) this.#emitter.emit('error', error)
    else report(error)
  }
}

function settle(message: Sending, fate: Fate): void {
  if (fate === 'accepted') message.resolve()
  else message.fail(...failures[fate])
}
