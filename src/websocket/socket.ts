import { HeartlineError } from '../core/error.ts'
import type { Ending, Link, LinkEffects, LinkTiming } from '../core/link.ts'
import { now, report } from '../host/clock.ts'
import { Driver } from '../host/driver.ts'
import { byteLength, type Data } from './data.ts'
import { closeEvent, type SocketEventMap } from './events.ts'
import { linkTiming, type ProbingHeartbeat, type SocketOptions } from './options.ts'
import type { WebSocketConstructor, WebSocketLike } from './web-socket-like.ts'

type Handler = ((this: any, event: any) => any) | null
/** The platform's types of this, which are not there without the DOM's. */
interface ListenerOptions {
  capture?: boolean
  once?: boolean
  passive?: boolean
  signal?: AbortSignal
}
type BinaryType = 'blob' | 'arraybuffer'
type Listener<E> = ((event: E) => any) | { handleEvent(event: E): any } | null

/** What an event handler attribute holds, and the one listener that calls it. */
interface Attribute {
  handler: Handler
  handleEvent(event: Event): void
}

const attributes = new WeakMap<EventTarget, Record<string, Attribute>>()

/** Value of an event handler attribute such as `onopen`. */
export function getHandler(target: EventTarget, type: string): Handler {
  return attributes.get(target)?.[type]?.handler ?? null
}

/** Sets an event handler attribute. @see WHATWG HTML, event handlers */
export function setHandler(target: EventTarget, type: string, value: unknown): void {
  const handler = typeof value === 'function' ? (value as Handler) : null
  const all = attributes.get(target) ?? {}
  const attribute = (all[type] ??= {
    handler: null,
    handleEvent(event) {
      this.handler?.call(target, event)
    },
  })
  attributes.set(target, all)
  // As the standard has it, another handler takes the place of the one before among the listeners.
  if (!handler) target.removeEventListener(type, attribute)
  else if (!attribute.handler) target.addEventListener(type, attribute)
  attribute.handler = handler
}

/** @see WHATWG WebSockets, the `WebSocket` interface */
export interface Socket<Events extends SocketEventMap> {
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  onopen: ((event: Events['open']) => any) | null
  onmessage: ((event: Events['message']) => any) | null
  onerror: ((event: Events['error']) => any) | null
  onclose: ((event: Events['close']) => any) | null
  addEventListener<K extends keyof Events & string>(
    type: K,
    listener: Listener<Events[K]>,
    options?: boolean | ListenerOptions,
  ): void
  addEventListener(type: string, listener: Listener<Event>, options?: boolean | ListenerOptions): void
  removeEventListener<K extends keyof Events & string>(
    type: K,
    listener: Listener<Events[K]>,
    options?: boolean | ListenerOptions,
  ): void
  removeEventListener(type: string, listener: Listener<Event>, options?: boolean | ListenerOptions): void
}

/** The machine that a socket is the shell of. */
type LinkConstructor<L extends Link, Rest extends unknown[]> = new (
  effects: LinkEffects,
  timing: LinkTiming,
  ...rest: Rest
) => L

/**
 * The part that both classes share: the WHATWG WebSocket interface in front of a {@link Link}, which decides
 * everything, and behind it the timer, the transport and the host's signals, which decide nothing.
 */
export abstract class Socket<
  Events extends SocketEventMap = SocketEventMap,
  L extends Link = Link,
  Rest extends unknown[] = [],
> extends EventTarget {
  declare static readonly CONNECTING: 0
  declare static readonly OPEN: 1
  declare static readonly CLOSING: 2
  declare static readonly CLOSED: 3

  protected readonly link: L
  protected transport: WebSocketLike | undefined
  /** Bytes that `send()` was given when nothing could be sent any more; the standard counts them as buffered. */
  protected discardedBytes = 0
  /** Bytes that the current transport was given. */
  protected sentBytes = 0
  /** The code that the application closed with. */
  protected closeCode: number | undefined
  readonly #WebSocket: WebSocketConstructor
  readonly #signal: AbortSignal | undefined
  readonly #heartbeat: Partial<ProbingHeartbeat> | undefined
  readonly #driver: Driver
  #binaryType: BinaryType = 'blob'

  protected constructor(options: SocketOptions, Machine: LinkConstructor<L, Rest>, ...rest: Rest) {
    super()
    const { WebSocket = globalThis.WebSocket, heartbeat, signal } = options
    const timing = linkTiming(options)
    if (typeof WebSocket !== 'function')
      throw new HeartlineError(
        'ERR_NO_WEBSOCKET',
        'No WebSocket constructor here: pass one, such as that of `ws`, as option `WebSocket`.',
      )
    signal?.throwIfAborted()
    this.#WebSocket = WebSocket
    this.#signal = signal
    this.#heartbeat = heartbeat as ProbingHeartbeat | undefined
    this.link = new Machine(
      {
        connect: () => this.connect(),
        probe: () => this.#probe(),
        ended: (ending) => this.ended(ending),
      },
      timing,
      ...rest,
    )
    this.#driver = new Driver(this.link, (now) =>
      this.link.tick(now, this.sentBytes, this.transport?.bufferedAmount ?? 0),
    )
  }

  /** The URL of the current or last transport; empty before there was one. */
  get url(): string {
    return this.transport?.url ?? ''
  }

  /** 0 connecting, also between two attempts; 1 open; 2 closing; 3 closed for good. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.link.readyState
  }

  get protocol(): string {
    return this.transport?.protocol ?? ''
  }

  get extensions(): string {
    return this.transport?.extensions ?? ''
  }

  get bufferedAmount(): number {
    return (this.transport?.bufferedAmount ?? 0) + this.discardedBytes
  }

  get binaryType(): BinaryType {
    return this.#binaryType
  }

  set binaryType(type: BinaryType) {
    if (type !== 'blob' && type !== 'arraybuffer') return
    this.#binaryType = type
    if (this.transport) this.transport.binaryType = type
  }

  /** Smoothed round-trip time of the heartbeats in milliseconds; `undefined` without `isReply` or before the first reply. */
  get latencyMs(): number | undefined {
    return this.link.heartbeat?.latency.smoothedMs
  }

  /** Milliseconds since the last received frame, or since the connection opened; `undefined` while it is not open. */
  get silentForMs(): number | undefined {
    return this.readyState === 1 ? now() - this.link.receivedAt : undefined
  }

  /** @throws DOMException `InvalidStateError` while connecting */
  send(data: Data): void {
    const { readyState } = this
    if (!readyState) throw new DOMException('Still connecting.', 'InvalidStateError')
    if (readyState > 1) this.discardedBytes += byteLength(data)
    else this.give(data)
  }

  /**
   * Closes for good; a reason without a code goes with 1000. The `close` event follows when the closing handshake is complete, or when it has taken as long as
   * a heartbeat may (`timeoutMs`).
   *
   * @throws DOMException `InvalidAccessError` for a code that is neither 1000 nor from 3000 to 4999, `SyntaxError` for
   * a reason of more than 123 bytes
   */
  close(code?: number, reason = ''): void {
    reason = String(reason)
    if (code !== undefined) code = Math.trunc(Number(code))
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(
        `Expected the close code 1000 or one from 3000 to 4999, got ${code}.`,
        'InvalidAccessError',
      )
    }
    if (byteLength(reason) > 123) throw new DOMException('Expected a reason of at most 123 bytes.', 'SyntaxError')
    if (!this.link.close(now())) return
    this.closeCode = code ?? 1005
    this.changed()
    if (reason) code ??= 1000
    // Chromium takes an `undefined` that is passed for a code, and refuses it.
    if (!this.transport?.onclose)
      queueMicrotask(() => this.#transportClosed({ code: code ?? 1005, reason, wasClean: false }))
    else if (code === undefined) this.transport.close()
    else this.transport.close(code, reason)
    this.#driver.arm()
  }

  /** Begins the attempt that the link asks for, by calling {@link attach} now or later. */
  protected abstract connect(): void

  /** Begins to work. Throws what the WebSocket constructor throws. */
  protected start(): void {
    this.link.connect(now())
    // A provider may have aborted it.
    this.#driver.start(this.#signal, () => this.close())
  }

  /** Makes the transport of the current attempt. Throws what the WebSocket constructor throws. */
  protected attach(url: string | URL, protocols: string | string[] | undefined): void {
    const transport = new this.#WebSocket(url, protocols)
    this.transport = transport
    this.sentBytes = 0
    transport.binaryType = this.#binaryType
    let wasOpen = false
    transport.onopen = () => {
      wasOpen = true
      this.link.opened(now())
      if (this.readyState === 1) this.opened()
      this.#driver.arm()
    }
    transport.onmessage = (event) => this.#received(event)
    transport.onerror = ({ error, message }) => {
      this.emit('error', { error, message })
      // Undici (Node's own WebSocket) gives no close event after an attempt that failed.
      if (!wasOpen) queueMicrotask(() => transport.onclose?.({ code: 1006, reason: '', wasClean: false }))
    }
    transport.onclose = (event) => this.#transportClosed(event)
  }

  /** An attempt failed before it had a transport. */
  protected failed(error: Error): void {
    this.emit('error', { error, message: error.message })
    this.link.failed(now())
    this.#driver.arm()
  }

  protected opened(): void {
    this.changed()
    if (this.readyState === 1) this.emit('open')
  }

  /** Gives the transport something to send. Throws what it throws. */
  protected give(data: Data): void {
    this.transport!.send(data)
    this.sentBytes += byteLength(data)
  }

  /** A frame came in. */
  protected received(_isReply: boolean): void {}

  /** A heartbeat was sent. */
  protected probed(): void {}

  /** The state is another one. */
  protected changed(_ending?: Ending): void {}

  protected emit(type: keyof Events & string, fields?: object): void {
    this.dispatchEvent(Object.assign(new Event(type), fields))
  }

  protected ended(ending: Ending): void {
    const { transport } = this
    if (transport) {
      transport.onopen = transport.onmessage = transport.onclose = null
      // `ws` throws what nobody listens to.
      transport.onerror = () => {}
      try {
        if (transport.terminate) transport.terminate()
        else transport.close(ending.code, ending.reason)
      } catch {
        // It has closed by itself, with a code that must not be sent.
      }
    }
    if (this.readyState > 2) this.#driver.stop()
    this.changed(ending)
    this.dispatchEvent(closeEvent(ending))
  }

  #received({ data, origin }: { data: any; origin: string }): void {
    let isReply = false
    try {
      isReply = this.#heartbeat?.isReply?.(data) === true
    } catch (error) {
      report(error)
    }
    this.link.received(now(), isReply)
    this.#driver.arm()
    if (this.readyState !== 1) return
    this.received(isReply)
    if (!isReply) this.dispatchEvent(new MessageEvent('message', { data, origin }))
  }

  #transportClosed({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }): void {
    this.link.ended(now(), code, reason, wasClean)
    this.#driver.arm()
  }

  #probe(): boolean {
    try {
      const message = this.#heartbeat!.message
      this.give(typeof message === 'function' ? message() : message!)
      this.probed()
      return true
    } catch (error) {
      report(error)
      return false
    }
  }
}

for (const target of [Socket, Socket.prototype]) {
  ;['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].forEach((name, value) =>
    Object.defineProperty(target, name, { value, enumerable: true }),
  )
}

for (const type of ['open', 'message', 'error', 'close']) {
  Object.defineProperty(Socket.prototype, 'on' + type, {
    enumerable: true,
    configurable: true,
    get(this: Socket) {
      return getHandler(this, type)
    },
    set(this: Socket, value: unknown) {
      setHandler(this, type, value)
    },
  })
}
