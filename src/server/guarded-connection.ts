import { Buffer } from 'node:buffer'
import { GhostCheck } from '../core/ghost-check.ts'
import type { SocketInternals, SocketLike, WebSocketLike } from './web-socket-server-like.ts'

const OPEN = 1

/** A ping without payload, as servers send it. @see RFC 6455, section 5.5.2 */
const PING_FRAME = Buffer.from([0x89, 0])

/** Reads a connection's facts off its sockets, only when asked: nothing is called or kept per message. */
export class GuardedConnection<W extends WebSocketLike> extends GhostCheck {
  readonly webSocket: W
  /** Pings sent so far. */
  pings = 0
  protected readonly socket: SocketLike
  /**
   * The same, or the TCP socket under a TLS one. TLS delivers by records of up to 16 KiB, which a slow peer may need
   * longer than the bound for, and hands all that is written to TCP at once.
   */
  readonly #tcp: SocketLike & SocketInternals

  constructor(webSocket: W, socket: SocketLike) {
    super()
    this.webSocket = webSocket
    this.socket = socket
    const parent = (socket as SocketInternals)._parent
    this.#tcp = typeof parent?.bytesRead === 'number' ? parent : socket
  }

  get receivedBytes(): number {
    return this.#tcp.bytesRead
  }

  get sentBytes(): number {
    return this.socket.bytesWritten ?? 0
  }

  get queuedBytes(): number {
    return this.socket.writableLength
  }

  get drainedBytes(): number {
    // A write counts as waiting until the last of its bytes is gone; only the queue of the handle shows it shrinking.
    return this.sentBytes - this.queuedBytes - (this.#tcp._handle?.writeQueueSize ?? 0)
  }

  get isRead(): boolean {
    const socket = this.socket
    return !(socket.isPaused() && socket.readableLength >= socket.readableHighWaterMark)
  }

  /**
   * Sends a ping, unless the connection is closing: then the close frame is what has to be answered.
   *
   * One shared frame goes straight to the socket. `ws` writes whole frames, so it cannot land inside one; it does not
   * wait for a compression that is going on; and `ping()` of `ws`, which builds a new frame each time, would make
   * the guard dearer than the sweep that it replaces (see `bench/guard.js`).
   *
   * @returns whether it was sent
   */
  ping(): boolean {
    if (this.webSocket.readyState !== OPEN) return false
    this.pings++
    this.socket.write(PING_FRAME)
    return true
  }
}

/** Whether a value has what a {@link GuardedConnection} cannot do without. */
export function isSocket(value: unknown): value is SocketLike {
  const socket = value as Partial<SocketLike> | null | undefined
  return typeof socket?.bytesRead === 'number' && typeof socket.write === 'function'
}
