import { Link } from '../core/link.ts'
import { checkProtocols, linkTiming, type SocketOptions } from './options.ts'
import { Socket } from './socket.ts'

/** A class with the options built in: what takes a WebSocket class takes it. */
export type HeartbeatWebSocketClass = Pick<typeof HeartbeatWebSocket, 'CONNECTING' | 'OPEN' | 'CLOSING' | 'CLOSED'> &
  (new (url: string | URL, protocols?: string | string[]) => HeartbeatWebSocket)

/**
 * A WebSocket that notices its own death: when the path is dead, `close` fires within
 * `intervalMs + timeoutMs`, with code 4701, whatever the runtime's own socket does. It never reconnects.
 *
 * It has the WHATWG WebSocket interface, so it can be given to any library that takes a WebSocket constructor; use
 * {@link HeartbeatWebSocket.with} for that.
 *
 * @example
 * ```ts
 * const socket = new HeartbeatWebSocket('wss://example.com/live', [], {
 *   heartbeat: { message: 'ping', isReply: (data) => data === 'pong' },
 * })
 * socket.onclose = ({ code }) => console.log(code === 4701 ? 'the path is dead' : `closed with ${code}`)
 * ```
 */
export class HeartbeatWebSocket extends Socket {
  readonly #url: string | URL
  readonly #protocols: string | string[] | undefined

  /**
   * @throws DOMException `SyntaxError` for a URL or protocols that the WebSocket constructor does not take
   * @throws HeartlineError `ERR_OPTION`, `ERR_NO_WEBSOCKET`
   */
  constructor(url: string | URL, protocols?: string | string[], options: SocketOptions = {}) {
    checkProtocols(protocols)
    super(options, Link)
    this.#url = url
    this.#protocols = protocols
    this.start()
  }

  /**
   * Returns a class with these options built in, to be given to a library as its WebSocket.
   *
   * @throws HeartlineError `ERR_OPTION`
   */
  static with(options: SocketOptions): HeartbeatWebSocketClass {
    // Now, and not first inside the retry loop of a library.
    linkTiming(options)
    return class extends HeartbeatWebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, options)
      }
    }
  }

  protected override connect(): void {
    this.attach(this.#url, this.#protocols)
  }
}
