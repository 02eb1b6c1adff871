// @ts-check
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSessionServer, guard } from 'heartline/server'
import { WebSocketServer } from 'ws'

/** @import { HostReadings } from './host-readings.js' */
/** @typedef {{ id: number, text: string }} Note Something that the visitor typed. */

/** The columns of the page. Each connects to the path of its name. */
export const COLUMNS = /** @type {const} */ (['ordinary', 'reconnecting', 'session'])
const PLAIN_COLUMNS = COLUMNS.filter((column) => column !== 'session')

/** Times of both heartbeats, short so that one can watch them: a silent client is gone after 3 s. */
const HEARTBEAT = { intervalMs: 2_000, timeoutMs: 1_000 }
/** How long a session waits for its client. */
const SESSION_TTL_MS = 600_000
/** How long the server is away when it goes. */
const AWAY_MS = 1_500
/** One visitor has one connection per column, and those that died lately. */
const MAX_CLIENTS = 20
const MAX_SESSIONS = 4
const MAX_MESSAGE_BYTES = 4_096
/** A plain client that has not taken this much is left out until it has: its readings are missed, our memory stays bounded. */
const MAX_BUFFERED_BYTES = 65_536
/** Notes whose arrivals are remembered. */
const MAX_NOTES = 50

/**
 * What one visitor is connected to: a plain `ws` server behind heartline's guard, which answers the text `ping` with
 * `pong`, and beside it a heartline server. Every reading goes to every client, and arrivals of notes are counted.
 */
export class ReadingsServer {
  isUp = false
  /** How often each note has arrived, by column and number. @type {Record<string, Record<number, number>>} */
  arrivals = Object.fromEntries(COLUMNS.map((column) => [column, {}]))
  #http = createServer((_, response) => response.writeHead(426).end())
  #plain = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  #guard = guard(this.#plain, HEARTBEAT)
  #sessions
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set()
  /** @type {NodeJS.Timeout | undefined} */
  #backTimer
  #stopListening
  /** @type {() => void} */
  #onArrival = () => {}

  /**
   * @param {HostReadings} readings
   * @param {(origin: string | undefined) => boolean} isAllowedOrigin
   */
  constructor(readings, isAllowedOrigin) {
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#servePlain(isAllowedOrigin)
    this.#sessions = createSessionServer({
      server: this.#http,
      path: '/session',
      allowedOrigins: isAllowedOrigin,
      heartbeat: HEARTBEAT,
      session: { ttlMs: SESSION_TTL_MS },
      limits: { maxMessageBytes: MAX_MESSAGE_BYTES, maxSessions: MAX_SESSIONS },
    })
    this.#sessions.on('session', (session) =>
      session.on('message', ({ data }) => this.#received('session', String(data))),
    )
    this.#stopListening = readings.onReading((reading) => this.#broadcast(JSON.stringify({ reading })))
  }

  get connections() {
    return this.#plain.clients.size + this.#sessions.stats.connections
  }

  /** Connections that were found dead and ended. */
  get ghosts() {
    return this.#guard.stats.ghosts + this.#sessions.stats.ghosts
  }

  /** @param {() => void} listener */
  onArrival(listener) {
    this.#onArrival = listener
  }

  /** Listens on a free port. @returns {Promise<number>} the port */
  async start() {
    this.#http.listen(0, '127.0.0.1')
    await once(this.#http, 'listening')
    this.isUp = true
    return /** @type {import('node:net').AddressInfo} */ (this.#http.address()).port
  }

  /** Drops every connection without a word and is away for a while. @param {(port: number) => void} onBack */
  goAway(onBack) {
    if (!this.isUp) return
    this.#drop()
    this.#backTimer = setTimeout(() => void this.start().then(onBack), AWAY_MS)
  }

  /** @param {Note} note @returns how many connections it went into, for those columns that count in connections */
  notify(note) {
    const message = JSON.stringify({ note })
    for (const session of this.#sessions.sessions()) void session.send(message)
    return Object.fromEntries(
      PLAIN_COLUMNS.map((column) => {
        const clients = this.#openClients(column)
        for (const client of clients) client.send(message)
        return [column, clients.length]
      }),
    )
  }

  async stop() {
    clearTimeout(this.#backTimer)
    this.#stopListening()
    this.#guard.stop()
    this.#drop()
    await this.#sessions.close()
  }

  #drop() {
    this.isUp = false
    this.#http.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** @param {(origin: string | undefined) => boolean} isAllowedOrigin */
  #servePlain(isAllowedOrigin) {
    this.#http.on('upgrade', (request, socket, head) => {
      // The other path is the session server's.
      if (request.url === '/session') return
      const column = PLAIN_COLUMNS.find((column) => request.url === '/' + column)
      if (!column || !isAllowedOrigin(request.headers.origin) || this.#plain.clients.size >= MAX_CLIENTS) {
        socket.destroy()
        return
      }
      this.#plain.handleUpgrade(request, socket, head, (client) => {
        Object.assign(client, { column })
        this.#plain.emit('connection', client, request)
        // What ends a connection in the middle of a frame is an error to `ws`, and an ordinary day here.
        client.on('error', () => {})
        client.on('message', (data) => {
          if (String(data) === 'ping') client.send('pong')
          else this.#received(column, String(data))
        })
      })
    })
  }

  /** @param {string} column @param {string} message */
  #received(column, message) {
    const id = noteId(message)
    const counts = this.arrivals[column]
    if (id === undefined || !counts) return
    counts[id] = (counts[id] ?? 0) + 1
    for (const old of Object.keys(counts).slice(0, -MAX_NOTES)) delete counts[Number(old)]
    this.#onArrival()
  }

  /** @param {string} message */
  #broadcast(message) {
    for (const column of PLAIN_COLUMNS)
      for (const client of this.#openClients(column))
        if (client.bufferedAmount < MAX_BUFFERED_BYTES) client.send(message)
    for (const session of this.#sessions.sessions()) void session.send(message)
  }

  /** @param {string} column */
  #openClients(column) {
    return [...this.#plain.clients].filter(
      (client) => /** @type {any} */ (client).column === column && client.readyState === client.OPEN,
    )
  }
}

/** @param {string} message */
function noteId(message) {
  try {
    const { id } = JSON.parse(message).note
    return Number.isSafeInteger(id) && id > 0 ? /** @type {number} */ (id) : undefined
  } catch {
    return undefined
  }
}
