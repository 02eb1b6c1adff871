import type { Buffer } from 'node:buffer'
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { HeartlineError } from '../core/error.ts'
import { decodeHelloEntry } from '../protocol/decode.ts'
import type { Hello } from '../protocol/frame.ts'
import { MAX_HEADER, PROTOCOL } from '../protocol/limits.ts'
import type { CheckedOptions, ServerOptions } from './options.ts'
import { isAllowedOrigin } from './origin.ts'

/** A text takes up to three bytes for each UTF-16 code unit. */
export const MAX_BYTES_PER_UNIT = 3
/**
 * A message may come in parts, each of which keeps all the bytes alive that it was read from the network with. Whoever sends
 * less in a frame, or in a TCP segment, on average, wants something else than to send.
 */
const LEAST_FRAGMENT_BYTES = 8_192
const LEAST_CHUNK_BYTES = 512
const LEAST_PARTS = 64

/** The way in: an HTTP server, and which of its upgrade requests become connections. */
export class HttpFront {
  /** Resolves when connections are accepted, with the address. Rejects if the port cannot be had. */
  readonly listening: Promise<{ readonly host: string; readonly port: number }>
  readonly #server: Server | SecureServer
  readonly #ownServer: Server | undefined
  readonly #webSocketServer: WebSocketServer
  readonly #options: ServerOptions
  readonly #path: string
  readonly #connected: (webSocket: WebSocket, request: IncomingMessage, hello: Hello | undefined) => void
  readonly #failed: (error: HeartlineError) => void

  constructor(
    options: ServerOptions,
    checked: CheckedOptions,
    connected: (webSocket: WebSocket, request: IncomingMessage, hello: Hello | undefined) => void,
    failed: (error: HeartlineError) => void,
  ) {
    this.#options = options
    this.#path = checked.path
    this.#connected = connected
    this.#failed = failed
    const maxPayload = MAX_BYTES_PER_UNIT * Math.max(checked.maxMessageBytes, checked.maxPendingBytes) + MAX_HEADER
    this.#webSocketServer = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload,
      maxFragments: LEAST_PARTS + Math.ceil(maxPayload / LEAST_FRAGMENT_BYTES),
      maxBufferedChunks: LEAST_PARTS + Math.ceil(maxPayload / LEAST_CHUNK_BYTES),
      handleProtocols: () => PROTOCOL,
    })
    const { port, host = '127.0.0.1', server } = options
    if (server) {
      this.#server = server
      this.listening = server.listening ? Promise.resolve(this.#address()) : this.#whenListening()
    } else {
      const { handshakeTimeoutMs } = checked
      // Before the upgrade it is for the HTTP server to end who is slow. Node's own times are 60 and 300 s.
      const timeouts = {
        headersTimeout: handshakeTimeoutMs,
        requestTimeout: handshakeTimeoutMs,
        connectionsCheckingInterval: Math.ceil(handshakeTimeoutMs / 4),
      }
      this.#server = this.#ownServer = createServer(timeouts, (_, response) => {
        response.writeHead(426, { 'content-type': 'text/plain' })
        response.end('This is a WebSocket server.\n')
      })
      this.listening = this.#whenListening()
      this.#ownServer.listen(port, host)
    }
    // Whoever does not look at it must not be ended by it; the server's own `error` event tells, too.
    this.listening.catch(() => {})
    this.#server.on('upgrade', this.#onUpgrade)
  }

  /** No new connections from now on. Resolves when the port is free, if it is our own. */
  close(): Promise<void> {
    this.#server.off('upgrade', this.#onUpgrade)
    const server = this.#ownServer
    return new Promise((resolve) => {
      if (!server) return resolve()
      server.close(() => resolve())
      // Idle or not: one that never says a word would hold us up for as long as its client likes.
      server.closeAllConnections()
    })
  }

  #whenListening(): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('listening', () => resolve(this.#address()))
      // For as long as it lives: an error that nobody listens to would end the process.
      this.#ownServer?.on('error', (cause) => {
        const where = `${this.#options.host ?? '127.0.0.1'}:${String(this.#options.port)}`
        reject(new HeartlineError('ERR_LISTEN', `Cannot listen at ${where}: ${cause.message}`, { cause }))
      })
    })
  }

  #address(): { host: string; port: number } {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port }
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // The HTTP server's other upgrades are for others, if there are any.
    if (pathOf(request) !== this.#path) {
      if (this.#server.listenerCount('upgrade') < 2)
        refuse(socket, 404, `There is no WebSocket at this path, but at ${this.#path}.`)
      return
    }
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((entry) => entry.trim())
    if (!protocols.includes(PROTOCOL)) return refuse(socket, 400, `The subprotocol ${PROTOCOL} is not offered.`)
    try {
      if (!isAllowedOrigin(request, this.#options.allowedOrigins))
        return refuse(socket, 403, 'This Origin is not allowed: see the option `allowedOrigins`.')
    } catch (cause) {
      refuse(socket, 500, 'The Origin could not be checked.')
      return this.#failed(
        new HeartlineError('ERR_PROVIDER', 'An origin could not be checked: `allowedOrigins` failed.', { cause }),
      )
    }
    let hello: Hello | undefined
    try {
      for (const entry of protocols) hello ??= decodeHelloEntry(entry)
    } catch {
      return refuse(socket, 400, 'The HELLO is malformed.')
    }
    this.#webSocketServer.handleUpgrade(request, socket, head, (webSocket) => {
      hideHello(request)
      this.#connected(webSocket, request, hello)
    })
  }
}

/** Not by `URL`, which throws for a target such as `//`, and anybody may send one. @see RFC 9112, section 3.2 */
function pathOf({ url = '' }: IncomingMessage): string {
  return /^(?:[a-z]+:\/\/[^/?]*)?([^?]*)/i.exec(url)![1] || '/'
}

/** The application gets the request, and may log its headers: the token in HELLO is not for logs. */
function hideHello({ headers, rawHeaders }: IncomingMessage): void {
  const name = 'sec-websocket-protocol'
  headers[name] = PROTOCOL
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]!.toLowerCase() === name) rawHeaders[index + 1] = PROTOCOL
}

/** Answers an upgrade request with an error. */
function refuse(socket: Duplex, status: number, text: string): void {
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain`
  socket.end(`${head}\r\nContent-Length: ${text.length + 1}\r\n\r\n${text}\n`)
}
