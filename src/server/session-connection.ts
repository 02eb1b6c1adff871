import type { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { answerTimeMs } from '../core/answer-time.ts'
import { Latency } from '../core/latency.ts'
import type { ServerSession } from '../core/server-session.ts'
import { PING, PONG } from '../protocol/encode.ts'
import type { Payload } from '../protocol/frame.ts'
import { MAX_QUEUED_BEFORE_PONG } from '../protocol/limits.ts'
import { GuardedConnection, isSocket } from './guarded-connection.ts'
import type { SocketLike } from './web-socket-server-like.ts'
import { webSocketFrame } from './web-socket-frame.ts'

const OPEN = 1
/** With more than this waiting in the process, a connection gets no more data until it has drained. */
const MAX_QUEUED_BYTES = 1_048_576
/** Time that a peer has to answer a close frame. Whoever is displaced may be dead. */
const CLOSE_TIMEOUT_MS = 2_000

/** Finished frames of short texts, by text. */
const frames = new Map<string, Buffer>()
const MAX_FRAMES = 2_048

function frameOf(text: string): Buffer {
  let frame = frames.get(text)
  if (!frame) {
    frame = webSocketFrame(text)
    if (frames.size < MAX_FRAMES) frames.set(text, frame)
  }
  return frame
}

/** What a connection knows of its session. */
export interface AttachedSession {
  readonly core: ServerSession<SessionConnection>
}

/** One connection of a client: its WebSocket, its heartbeat, and the session that it has attached to. */
export class SessionConnection extends GuardedConnection<WebSocket> {
  /** The upgrade request, until there is a session. */
  request: IncomingMessage | undefined
  /** Set by the attach. */
  session: AttachedSession | undefined
  /** A HELLO has come. */
  hasHello = false
  /** It has been closed or dropped; nothing that it still brings counts. */
  isOver = false
  readonly latency = new Latency()
  /** Called when it has a session. */
  attached: () => void = () => {}
  #waitsForDrain = false
  readonly #timeoutMs: number
  #pingedAt = NaN

  constructor(webSocket: WebSocket, request: IncomingMessage, timeoutMs: number) {
    super(webSocket, request.socket as unknown as SocketLike)
    if (!isSocket(request.socket)) throw new TypeError('The request has no TCP or TLS socket.')
    this.request = request
    this.#timeoutMs = timeoutMs
  }

  override get expectMs(): number {
    const core = this.session?.core
    if (!core || core.inFlight <= 0 || core.transport !== this) return Infinity
    return Math.min(this.#timeoutMs, answerTimeMs(this.latency.smoothedMs, core.inFlightBytes))
  }

  /** Asks for a sign of life, and tells how long the last one took. A protocol-level ping would be answered for a frozen page. */
  override ping(): boolean {
    if (this.webSocket.readyState !== OPEN) return false
    this.pings++
    const { smoothedMs } = this.latency
    this.#pingedAt = Number.isNaN(this.#pingedAt) ? performance.now() : Infinity
    this.socket.write(frameOf(smoothedMs === undefined ? PING : PING + Math.round(smoothedMs)))
    return true
  }

  /** @returns whether there is a new measurement */
  ponged(): boolean {
    const roundTripMs = performance.now() - this.#pingedAt
    this.#pingedAt = NaN
    // Not finite: there were several pings, or none.
    if (!(roundTripMs >= 0)) return false
    this.latency.sample(roundTripMs)
    return true
  }

  pong(): void {
    if (this.webSocket.readyState === OPEN && this.socket.writableLength < MAX_QUEUED_BEFORE_PONG)
      this.socket.write(frameOf(PONG))
  }

  /** Whether it takes more data; if not, its session hears when it does. Nothing waits in `ws`, which compresses nothing. */
  get isWritable(): boolean {
    const isWritable = this.socket.writableLength < MAX_QUEUED_BYTES
    if (!isWritable && !this.#waitsForDrain) {
      this.#waitsForDrain = true
      ;(this.socket as unknown as Socket).once('drain', () => {
        this.#waitsForDrain = false
        this.session?.core.writable()
        this.session?.core.topics?.pump()
      })
    }
    return isWritable
  }

  transmit(message: Payload): void {
    if (this.webSocket.readyState === OPEN) this.webSocket.send(message)
  }

  /** Gives it a WebSocket message that others get, too: its bytes are ready, and stay as they are. */
  share(frame: Buffer): void {
    if (this.webSocket.readyState === OPEN) this.socket.write(frame)
  }

  /** What it is given from here on leaves in one write… */
  cork(): void {
    ;(this.socket as unknown as Socket).cork()
  }

  /** …now. */
  uncork(): void {
    ;(this.socket as unknown as Socket).uncork()
  }

  /** Closes it, within a bound. */
  close(code: number, reason: string): void {
    if (this.isOver) return
    this.isOver = true
    this.webSocket.close(code, reason)
    const timer = setTimeout(() => this.webSocket.terminate(), CLOSE_TIMEOUT_MS)
    this.webSocket.once('close', () => clearTimeout(timer))
  }

  /** Drops it without asking. */
  drop(): void {
    this.isOver = true
    this.webSocket.terminate()
  }
}
