// @ts-check
import { once } from 'node:events'
import { createServer } from 'node:http'
import { guard } from 'heartline/server'
import { WebSocketServer } from 'ws'
import { HEARTBEAT, MAX_MESSAGE_BYTES } from './limits.js'

/** @import { HostReadings } from './host-readings.js' */

/** Those columns of the page that need no session. Each connects to the path of its name. */
export const PLAIN_COLUMNS = /** @type {const} */ (['ordinary', 'reconnecting'])

/** One visitor has one connection per column, and those that died lately. */
const MAX_CLIENTS = 20
/** A client that has not taken this much is left out until it has: its readings are missed, our memory stays bounded. */
const MAX_BUFFERED_BYTES = 65_536

/**
 * What the first two columns of one visitor are connected to: a plain `ws` server behind heartline's guard, which answers
 * the text `ping` with `pong`. Every reading goes to every client.
 */
export class PlainServer {
  #http = createServer((_, response) => response.writeHead(426).end())
  #webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  #guard = guard(this.#webSockets, HEARTBEAT)
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set()
  #port = 0
  #stopListening
  #onMessage

  /**
   * @param {HostReadings} readings
   * @param {(origin: string | undefined) => boolean} isAllowedOrigin
   * @param {(column: string, message: string) => void} onMessage
   */
  constructor(readings, isAllowedOrigin, onMessage) {
    this.#onMessage = onMessage
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#serve(isAllowedOrigin)
    this.#stopListening = readings.onReading((reading) => this.#broadcast(JSON.stringify({ reading })))
  }

  get connections() {
    return this.#webSockets.clients.size
  }

  /** Connections that were found dead and ended. */
  get ghosts() {
    return this.#guard.stats.ghosts
  }

  /** Listens on a free port. @returns {Promise<number>} the port */
  async start() {
    this.#http.listen(0, '127.0.0.1')
    await once(this.#http, 'listening')
    this.#port = /** @type {import('node:net').AddressInfo} */ (this.#http.address()).port
    return this.#port
  }

  /** Drops every connection without a word, and takes no more. @returns {number} the port at which nobody listens now */
  drop() {
    this.#http.close()
    for (const socket of this.#sockets) socket.destroy()
    return this.#port
  }

  /** @param {string} message @returns {Record<string, number>} how many connections of each column it went into */
  send(message) {
    return Object.fromEntries(
      PLAIN_COLUMNS.map((column) => {
        const clients = this.#openClients(column)
        for (const client of clients) client.send(message)
        return [column, clients.length]
      }),
    )
  }

  stop() {
    this.#stopListening()
    this.#guard.stop()
    this.drop()
  }

  /** @param {(origin: string | undefined) => boolean} isAllowedOrigin */
  #serve(isAllowedOrigin) {
    this.#http.on('upgrade', (request, socket, head) => {
      const column = PLAIN_COLUMNS.find((column) => request.url === '/' + column)
      if (!column || !isAllowedOrigin(request.headers.origin) || this.connections >= MAX_CLIENTS) {
        socket.destroy()
        return
      }
      this.#webSockets.handleUpgrade(request, socket, head, (client) => {
        Object.assign(client, { column })
        this.#webSockets.emit('connection', client, request)
        // What ends a connection in the middle of a frame is an error to `ws`, and an ordinary day here.
        client.on('error', () => {})
        client.on('message', (data) => {
          if (String(data) === 'ping') client.send('pong')
          else this.#onMessage(column, String(data))
        })
      })
    })
  }

  /** @param {string} message */
  #broadcast(message) {
    for (const column of PLAIN_COLUMNS)
      for (const client of this.#openClients(column))
        if (client.bufferedAmount < MAX_BUFFERED_BYTES) client.send(message)
  }

  /** @param {string} column */
  #openClients(column) {
    return [...this.#webSockets.clients].filter(
      (client) => /** @type {any} */ (client).column === column && client.readyState === client.OPEN,
    )
  }
}
