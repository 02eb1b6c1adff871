import type { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { CloseCode } from '../protocol/close-codes.ts'
import { decode } from '../protocol/decode.ts'
import { PONG } from '../protocol/encode.ts'
import type { Frame, Hello } from '../protocol/frame.ts'
import { Violation } from '../protocol/violation.ts'
import { detachedBuffer } from './detached-buffer.ts'
import { MAX_BYTES_PER_UNIT } from './http-front.ts'
import type { CheckedOptions } from './options.ts'
import { SessionConnection } from './session-connection.ts'

/** Who takes what connections bring. */
export interface ConnectionHost {
  hello(connection: SessionConnection, hello: Hello): void
  /** A frame of a connection that has a session. @throws Violation */
  frame(connection: SessionConnection, frame: Frame): void
  measured(connection: SessionConnection, latencyMs: number): void
  /** It is gone, or is not listened to any more. */
  gone(connection: SessionConnection, code: number, reason: string): void
}

/** What may come around a HELLO: the headers of its WebSocket frames, and control frames. */
const HELLO_SPARE_BYTES = 1_024
const PONG_BYTE = PONG.charCodeAt(0)
/** What `ws` closes with, by the code of its error; 1002 for all others. */
const webSocketCodes: Record<string, number> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
}

/** All connections of a server, from the upgrade to their end: which frames they bring, and whether those are allowed. */
export class Connections {
  /** Connections ended because their peer broke the protocol. */
  violations = 0
  readonly #options: CheckedOptions
  readonly #host: ConnectionHost
  readonly #all = new Map<WebSocket, SessionConnection>()
  readonly #onError: (this: WebSocket, error: Error) => void
  readonly #onClose: (this: WebSocket, code: number, reason: Buffer) => void
  #whenEmpty: (() => void) | undefined

  constructor(options: CheckedOptions, host: ConnectionHost) {
    this.#options = options
    this.#host = host
    const connections = this
    this.#onError = function (error) {
      connections.#failed(this, error)
    }
    this.#onClose = function (code, reason) {
      connections.#closedBy(this, code, reason)
    }
  }

  get size(): number {
    return this.#all.size
  }

  all(): IterableIterator<SessionConnection> {
    return this.#all.values()
  }

  /** A WebSocket has been opened, perhaps with a HELLO in its upgrade request. */
  accept(webSocket: WebSocket, request: IncomingMessage, hello: Hello | undefined): void {
    const connection = new SessionConnection(webSocket, request, this.#options.timeoutMs)
    this.#all.set(webSocket, connection)
    this.#limitHandshake(connection, request.socket)
    this.#listen(connection)
    if (hello) this.#host.hello(connection, hello)
  }

  /** Resolves when there are none any more, or after a time. */
  untilEmpty(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#whenEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
      if (!this.#all.size) this.#whenEmpty()
    })
  }

  /** By itself, so that nothing of the handshake is kept alive by the listeners that stay. */
  #limitHandshake(connection: SessionConnection, socket: Socket): void {
    const timer = setTimeout(() => {
      if (!connection.session) connection.close(CloseCode.handshakeTimeout, 'handshake timeout')
    }, this.#options.handshakeTimeoutMs)
    // Whoever has not said who it is gets no more memory than a HELLO takes.
    let helloBytes = MAX_BYTES_PER_UNIT * this.#options.maxHelloBytes + HELLO_SPARE_BYTES
    const measure = ({ length }: Buffer): void => {
      helloBytes -= length
      if (helloBytes < 0) this.#violated(connection, CloseCode.tooLarge, 'hello too large')
    }
    socket.on('data', measure)
    connection.attached = () => {
      clearTimeout(timer)
      socket.off('data', measure)
      connection.attached = ignore
      connection.request = undefined
    }
  }

  #listen(connection: SessionConnection): void {
    const { webSocket } = connection
    webSocket.on('message', (data, isBinary) => this.#message(connection, data as Buffer, isBinary))
    // One function each for all connections.
    webSocket.on('error', this.#onError)
    webSocket.on('close', this.#onClose)
  }

  #failed(webSocket: WebSocket, { code }: Error & { code?: string }): void {
    const connection = this.#all.get(webSocket)
    // Otherwise the network has failed, and `close` follows at once.
    if (connection && code?.startsWith('WS_ERR_'))
      this.#violated(connection, webSocketCodes[code] ?? 1002, 'no WebSocket message')
  }

  #closedBy(webSocket: WebSocket, code: number, reason: Buffer): void {
    const connection = this.#all.get(webSocket)!
    connection.attached()
    connection.isOver = true
    this.#host.gone(connection, code, String(reason))
    this.#all.delete(webSocket)
    if (!this.#all.size) this.#whenEmpty?.()
  }

  #message(connection: SessionConnection, data: Buffer, isBinary: boolean): void {
    if (connection.isOver) return
    const { session } = connection
    // Most messages of most sessions are this one.
    if (session && data.length === 1 && data[0] === PONG_BYTE && !isBinary) {
      if (connection.ponged()) this.#host.measured(connection, connection.latency.smoothedMs!)
      return
    }
    try {
      if (!session && data.length > this.#options.maxHelloBytes)
        throw new Violation(CloseCode.tooLarge, 'hello too large')
      const frame = decode(isBinary ? detachedBuffer(data) : data.toString())
      if (!session) {
        if (frame.type !== 'hello' || connection.hasHello)
          throw new Violation(CloseCode.protocolError, `unexpected ${frame.type}`)
        this.#host.hello(connection, frame.body)
      } else if (frame.type === 'ping') {
        connection.pong()
        if (frame.latencyMs !== undefined) {
          connection.latency.smoothedMs = frame.latencyMs
          this.#host.measured(connection, frame.latencyMs)
        }
      } else this.#host.frame(connection, frame)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violated(connection, error.closeCode, error.message)
    }
  }

  /** The peer has broken the protocol: nothing more that it sends counts. */
  #violated(connection: SessionConnection, code: number, reason: string): void {
    if (connection.isOver) return
    this.violations++
    this.#host.gone(connection, code, reason)
    connection.close(code, reason)
  }
}

const ignore = (): void => {}
