import { HeartlineError } from '../core/error.ts'
import { numberOptions } from '../core/option.ts'
import { GuardedConnection, isSocket } from './guarded-connection.ts'
import { TimedWatch } from './timed-watch.ts'
import type { RequestLike, WebSocketInternals, WebSocketLike, WebSocketServerLike } from './web-socket-server-like.ts'

export interface GuardOptions {
  /**
   * Milliseconds of silence after which a connection is pinged, and from one ping to the next while it stays idle,
   * 100 to 2147483647. A tick or two of the guard's clock, at most 4 % and by default 1 %, is taken off. @default 10000
   */
  intervalMs?: number
  /**
   * Milliseconds that a pinged peer has to be heard, 100 to 2147483647. Has to cover the round trip and the delivery
   * of what was sent just before the ping, on the slowest link. @default 5000
   */
  timeoutMs?: number
}

/** The defaults of {@link GuardOptions}. */
export const guardDefaults = { intervalMs: 10_000, timeoutMs: 5_000 } as const

/** A dead connection that the guard has just terminated. */
export interface GhostEvent<W> {
  /** The connection. `terminate()` has been called; its own `close` event follows. */
  readonly webSocket: W
  /**
   * Milliseconds for which certainly nothing was received. Time in which the event loop stood still does not count
   * here, nor in {@link maxSilenceMs}.
   */
  readonly silenceMs: number
  /** Milliseconds for which nothing can have been received at most: the guard looks now and then, not at each message. */
  readonly maxSilenceMs: number
  /** Pings sent to it in its life. */
  readonly pings: number
  /** Bytes received from it in its life, its upgrade request included. */
  readonly receivedBytes: number
  /** Bytes sent to it that had not left the process. */
  readonly queuedBytes: number
}

/** What a guard counts. All but `connections` only rise. */
export interface GuardStats {
  /** Connections guarded now. */
  readonly connections: number
  /** Pings sent. */
  readonly pings: number
  /** Ghosts terminated. */
  readonly ghosts: number
  /** Times that the event loop stood still for so long that the guard stopped its clock. */
  readonly lateTicks: number
  /** Milliseconds that this took in all: so much later than else were ghosts found. */
  readonly stalledMs: number
  /** Connections that are not guarded, because their socket does not tell the bytes it has received. */
  readonly skipped: number
}

export type GhostListener<W> = (event: GhostEvent<W>) => void

/** The guard of one server. */
export interface Guarded<W extends WebSocketLike = WebSocketLike> {
  /** A snapshot of the counters. */
  readonly stats: GuardStats
  /**
   * Guards a connection that the server did not announce, for frameworks which call `handleUpgrade()` and emit no
   * `connection`. Without effect if it is guarded already or closed, and after {@link stop}.
   *
   * @param socket its TCP or TLS socket. @default the one that `ws` has
   * @throws HeartlineError `ERR_OPTION` if there is no socket that tells the bytes it has received
   */
  add(webSocket: W, socket?: object): void
  /**
   * Calls the listener for each ghost, after its `terminate()`. A listener that throws causes an uncaught exception,
   * and harms neither the guard nor other listeners.
   *
   * @returns a function that takes the listener away
   */
  on(event: 'ghost', listener: GhostListener<W>): () => void
  /** Lets go of the server and all its connections, which stay open. Final; a new guard may take over. */
  stop(): void
  [Symbol.dispose](): void
}

/** The longest delay of a platform's timer. */
const MAX_TIMER_MS = 2_147_483_647
const CLOSED = 3
const rules = {
  intervalMs: [guardDefaults.intervalMs, 100, MAX_TIMER_MS],
  timeoutMs: [guardDefaults.timeoutMs, 100, MAX_TIMER_MS],
} as const

const guardedServers = new WeakSet<object>()

/**
 * Terminates dead connections of a `ws` server within `intervalMs + timeoutMs` of their last byte, present and future
 * ones. Only silent connections are pinged, any received byte is life, and no live peer is dropped because the event
 * loop was late. One timer for all, which does not keep the process alive.
 *
 * @throws HeartlineError `ERR_OPTION` for a bad or unknown option, or a server that already has a guard
 * @example
 * const guarded = guard(new WebSocketServer({ port: 8080 }))
 * guarded.on('ghost', ({ silenceMs }) => console.log(`reaped after ${silenceMs} ms of silence`))
 */
export function guard<W extends WebSocketLike>(
  webSocketServer: WebSocketServerLike<W>,
  options: GuardOptions = {},
): Guarded<W> {
  const { intervalMs, timeoutMs } = numberOptions('', options, rules)
  // An http server emits `connection` too, but its connections are no WebSockets.
  if (typeof webSocketServer?.on !== 'function' || !('handleUpgrade' in webSocketServer)) {
    throw new HeartlineError('ERR_OPTION', 'Expected `webSocketServer` to be a `WebSocketServer` of the `ws` package.')
  }
  if (guardedServers.has(webSocketServer)) {
    throw new HeartlineError('ERR_OPTION', 'This `webSocketServer` already has a guard: stop that one first.')
  }
  return new Guard(webSocketServer, intervalMs, timeoutMs)
}

class Guard<W extends WebSocketLike> implements Guarded<W> {
  readonly #server: WebSocketServerLike<W>
  readonly #watch: TimedWatch<GuardedConnection<W>>
  readonly #connections = new Map<W, GuardedConnection<W>>()
  readonly #listeners = new Set<GhostListener<W>>()
  /** One function for all connections. */
  readonly #onClose: (this: W) => void
  #isStopped = false
  #pings = 0
  #skipped = 0

  constructor(server: WebSocketServerLike<W>, intervalMs: number, timeoutMs: number) {
    this.#server = server
    this.#watch = new TimedWatch(
      { ping: (connection) => this.#ping(connection), reap: (connection) => this.#reap(connection) },
      intervalMs,
      timeoutMs,
    )
    const remove = (webSocket: W): void => this.#remove(webSocket)
    this.#onClose = function () {
      remove(this)
    }
    guardedServers.add(server)
    server.on('connection', this.#onConnection)
    for (const webSocket of server.clients ?? []) this.#addIfPossible(webSocket, undefined)
  }

  get stats(): GuardStats {
    const { size, ghosts, lateTicks, stalledMs } = this.#watch
    return { connections: size, pings: this.#pings, ghosts, lateTicks, stalledMs, skipped: this.#skipped }
  }

  add(webSocket: W, socket?: object): void {
    if (!this.#tryAdd(webSocket, socket)) {
      throw new HeartlineError(
        'ERR_OPTION',
        'Expected `socket` to be the `net.Socket` or `tls.TLSSocket` of the connection.',
      )
    }
  }

  on(event: 'ghost', listener: GhostListener<W>): () => void {
    if (event !== 'ghost' || typeof listener !== 'function') {
      throw new HeartlineError('ERR_OPTION', "Expected an event `'ghost'` and a function.")
    }
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    guardedServers.delete(this.#server)
    this.#server.off('connection', this.#onConnection)
    for (const webSocket of this.#connections.keys()) this.#remove(webSocket)
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  readonly #onConnection = (webSocket: W, request: RequestLike | undefined): void => {
    this.#addIfPossible(webSocket, request?.socket)
  }

  #addIfPossible(webSocket: W, socket: object | undefined): void {
    if (!this.#tryAdd(webSocket, socket)) this.#skipped++
  }

  /** @returns whether all is well: guarded, or nothing to guard */
  #tryAdd(webSocket: W, socket: object | undefined): boolean {
    if (this.#isStopped || webSocket.readyState === CLOSED || this.#connections.has(webSocket)) return true
    const found = socket ?? (webSocket as WebSocketInternals)._socket
    if (!isSocket(found)) return false
    const connection = new GuardedConnection(webSocket, found)
    this.#connections.set(webSocket, connection)
    this.#watch.add(connection)
    webSocket.on('close', this.#onClose)
    return true
  }

  #remove(webSocket: W): void {
    const connection = this.#connections.get(webSocket)
    if (!connection) return
    this.#connections.delete(webSocket)
    webSocket.off('close', this.#onClose)
    this.#watch.remove(connection)
  }

  #ping(connection: GuardedConnection<W>): void {
    try {
      if (connection.ping()) this.#pings++
    } catch {
      // A connection that cannot be pinged is judged by what it sends, like any other.
    }
  }

  #reap(connection: GuardedConnection<W>): void {
    const { webSocket, pings, receivedBytes } = connection
    const queuedBytes = webSocket.bufferedAmount
    const event = { webSocket, ...this.#watch.silence(connection), pings, receivedBytes, queuedBytes }
    this.#remove(webSocket)
    attempt(() => webSocket.terminate())
    for (const listener of [...this.#listeners]) attempt(() => listener(event))
  }
}

/** Calls a function that is not ours. What it throws becomes an uncaught exception, later. */
function attempt(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
