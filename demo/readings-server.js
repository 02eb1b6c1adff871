// @ts-check
import { once } from 'node:events'
import { guard } from 'heartline/server'
import { WebSocketServer } from 'ws'

/** @import { HostReadings } from './host-readings.js' */

/** Times of the guard, short so that one can watch it: a silent client is gone after 3 s. */
const GUARD = { intervalMs: 2_000, timeoutMs: 1_000 }
/** How long the server is away in a restart. */
const AWAY_MS = 1_500
const MAX_CLIENTS = 200
/** A client that has not taken this much is left out until it has: its readings are missed, our memory stays bounded. */
const MAX_BUFFERED_BYTES = 65_536

/**
 * A plain `ws` server behind heartline's guard. It sends every reading to every client and answers the text `ping`
 * with `pong`; it knows nothing of the two kinds of client.
 */
export class ReadingsServer {
  /** Connections that the guard found dead and ended, over all restarts. */
  ghosts = 0
  isUp = false
  #isAllowedOrigin
  /** @type {WebSocketServer | undefined} */
  #server
  /** @type {ReturnType<typeof guard> | undefined} */
  #guard
  /** @type {NodeJS.Timeout | undefined} */
  #restartTimer

  /**
   * @param {HostReadings} readings
   * @param {(origin: string | undefined) => boolean} isAllowedOrigin
   */
  constructor(readings, isAllowedOrigin) {
    this.#isAllowedOrigin = isAllowedOrigin
    readings.onReading((reading) => this.#broadcast(JSON.stringify(reading)))
  }

  get connections() {
    return this.#server?.clients.size ?? 0
  }

  /** Listens on a free port. @returns {Promise<number>} the port */
  async start() {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      maxPayload: 1_024,
      verifyClient: (/** @type {{ origin: string | undefined }} */ { origin }) =>
        this.#isAllowedOrigin(origin) && this.connections < MAX_CLIENTS,
    })
    await once(server, 'listening')
    server.on('connection', (socket) => {
      // What ends a connection in the middle of a frame is an error to `ws`, and an ordinary day here.
      socket.on('error', () => {})
      socket.on('message', (data, isBinary) => {
        if (!isBinary && String(data) === 'ping') socket.send('pong')
      })
    })
    this.#guard = guard(server, GUARD)
    this.#guard.on('ghost', () => this.ghosts++)
    this.#server = server
    this.isUp = true
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port
  }

  /** Drops every connection without a word and is away for a while. @param {(port: number) => void} onBack */
  restart(onBack) {
    if (!this.isUp) return
    this.stop()
    this.#restartTimer = setTimeout(() => void this.start().then(onBack), AWAY_MS)
  }

  stop() {
    clearTimeout(this.#restartTimer)
    this.isUp = false
    this.#guard?.stop()
    for (const client of this.#server?.clients ?? []) client.terminate()
    this.#server?.close()
    this.#server = undefined
  }

  /** @param {string} message */
  #broadcast(message) {
    for (const client of this.#server?.clients ?? []) {
      if (client.readyState === client.OPEN && client.bufferedAmount < MAX_BUFFERED_BYTES) client.send(message)
    }
  }
}
