import type { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { answerTimeMs, topicAnswerTimeMs, topicProbeTimeMs } from '../core/answer-time.ts'
import { Latency } from '../core/latency.ts'
import type { ServerSession } from '../core/server-session.ts'
import { PING, PONG } from '../protocol/encode.ts'
import type { Payload } from '../protocol/frame.ts'
import { MAX_QUEUED_BEFORE_PONG } from '../protocol/limits.ts'
import { GuardedConnection, isSocket } from './guarded-connection.ts'
import { textFrame } from './text-frame.ts'
import type { SocketLike } from './web-socket-server-like.ts'
import { webSocketFrame } from './web-socket-frame.ts'

const OPEN = 1
/** With more than this waiting in the process, a connection gets no more data until it has drained. */
const MAX_QUEUED_BYTES = 1_048_576
/** Time that a peer has to answer a close frame. Whoever is displaced may be dead. */
const CLOSE_TIMEOUT_MS = 2_000

/** Finished PINGs and PONGs, by text: most connections are idle, and this is all that they are sent. */
const heartbeats = new Map<string, Buffer>()
const MAX_HEARTBEATS = 2_048

function heartbeatOf(text: string): Buffer {
  let frame = heartbeats.get(text)
  if (!frame) {
    frame = webSocketFrame(text)
    if (heartbeats.size < MAX_HEARTBEATS) heartbeats.set(text, frame)
  }
  return frame
}

/** What a connection knows of its session. */
export interface AttachedSession {
  readonly core: ServerSession<SessionConnection>
}

/** One connection of a client: its WebSocket, its heartbeat, and the session that it has attached to. */
export class SessionConnection extends GuardedConnection<WebSocket> {
  declare protected readonly socket: Socket
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
  /** Questions of the client that `authorize` has not answered, those that it has taken back included. */
  asked = 0
  #waitsForDrain = false
  /** Answers that were given while it took no more data. */
  #unread = 0
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
    const { smoothedMs } = this.latency
    const bytes = core.inFlightBytes
    return Math.min(
      this.#timeoutMs,
      core.isInboxInFlight ? answerTimeMs(smoothedMs, bytes) : topicAnswerTimeMs(smoothedMs, bytes),
    )
  }

  override get probeMs(): number {
    const core = this.session?.core
    if (!core || core.isInboxInFlight) return this.expectMs
    return Math.min(this.#timeoutMs, topicProbeTimeMs(this.latency.smoothedMs, core.inFlightBytes))
  }

  /** Asks for a sign of life, and tells how long the last one took. A protocol-level ping would be answered for a frozen page. */
  override ping(): boolean {
    if (this.webSocket.readyState !== OPEN) return false
    this.pings++
    const { smoothedMs } = this.latency
    this.#pingedAt = Number.isNaN(this.#pingedAt) ? performance.now() : Infinity
    this.socket.write(heartbeatOf(smoothedMs === undefined ? PING : PING + Math.round(smoothedMs)))
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
      this.socket.write(heartbeatOf(PONG))
  }

  /** Whether it takes more data; if not, its session hears when it does. Nothing waits in `ws`, which compresses nothing. */
  get isWritable(): boolean {
    const isWritable = this.socket.writableLength < MAX_QUEUED_BYTES
    if (!isWritable && !this.#waitsForDrain) {
      this.#waitsForDrain = true
      this.socket.once('drain', () => {
        this.#waitsForDrain = false
        this.session?.core.writable()
        this.session?.core.topics?.pump()
      })
    }
    return isWritable
  }

  /** Another answer is due. @returns whether there are no more than so many that nobody reads */
  mayAnswer(most: number): boolean {
    this.#unread = this.isWritable ? 0 : this.#unread + 1
    return this.#unread <= most
  }

  transmit(message: Payload): void {
    if (this.webSocket.readyState !== OPEN) return
    const frame = typeof message === 'string' ? textFrame(message) : undefined
    // Past `ws`: without compression it never holds a frame back that this one could overtake.
    if (frame === undefined) this.webSocket.send(message)
    else this.socket.write(frame, 'latin1')
  }

  /** Gives it a WebSocket message that others get, too: its bytes are ready, and stay as they are. */
  share(frame: Buffer): void {
    if (this.webSocket.readyState === OPEN) this.socket.write(frame)
  }

  /** What it is given from here on leaves in one write… */
  cork(): void {
    this.socket.cork()
  }

  /** …now. */
  uncork(): void {
    this.socket.uncork()
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
