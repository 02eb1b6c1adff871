import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Journal } from './journal.ts'

export interface TestServerOptions {
  /** @default a free one */
  port?: number
  /** What is sent back; `undefined` is nothing. @default 'pong' for 'ping' */
  reply?: (text: string) => string | undefined
  /** Called for each new connection. */
  connected?: (connection: ServedConnection) => void
}

/** A connection as the server sees it. */
export class ServedConnection {
  readonly socket: WebSocket
  readonly tcp: Socket
  readonly path: string
  /** All messages but heartbeats. */
  readonly received: (string | Buffer)[] = []
  heartbeats = 0
  /** The close code, once it is closed. */
  closed: number | undefined

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket
    this.tcp = request.socket
    this.path = request.url!
  }
}

/** A `ws` server that answers heartbeats, keeps what it receives, and never speaks by itself. */
export class TestServer {
  /** All there ever were, over restarts too. */
  readonly connections: ServedConnection[] = []
  /** The most connections that were open at the same time. */
  maxLive = 0
  readonly #journal: Journal
  readonly #options: TestServerOptions
  #server: WebSocketServer | undefined
  #port: number

  constructor(journal: Journal, options: TestServerOptions) {
    this.#journal = journal
    this.#options = options
    this.#port = options.port ?? 0
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`
  }

  /** The connections that are open now. */
  get live(): ServedConnection[] {
    return this.connections.filter(({ closed }) => closed === undefined)
  }

  get last(): ServedConnection | undefined {
    return this.connections.at(-1)
  }

  /** All messages of all connections, in the order of their connections. */
  get received(): (string | Buffer)[] {
    return this.connections.flatMap(({ received }) => received)
  }

  get heartbeats(): number {
    return this.connections.reduce((sum, { heartbeats }) => sum + heartbeats, 0)
  }

  /** Listens, after a stop on the same port again. */
  async listen(): Promise<void> {
    const server = new WebSocketServer({ port: this.#port, host: '127.0.0.1' })
    this.#server = server
    server.on('connection', (socket, request) => this.#accept(new ServedConnection(socket, request)))
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Ends all connections without a closing handshake and listens no more. */
  async stop(): Promise<void> {
    const server = this.#server
    if (!server) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    for (const client of server.clients) client.terminate()
    await closed
  }

  #accept(connection: ServedConnection): void {
    const { socket } = connection
    const { reply = (text) => (text === 'ping' ? 'pong' : undefined), connected } = this.#options
    const number = this.connections.push(connection)
    this.maxLive = Math.max(this.maxLive, this.live.length)
    socket.on('error', () => {})
    socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? data : String(data)
      if (message === 'ping') connection.heartbeats++
      else connection.received.push(message)
      const answer = isBinary ? undefined : reply(String(data))
      if (answer !== undefined) socket.send(answer)
      this.#journal.note(`server: message on connection ${number}`, message)
    })
    socket.on('close', (code) => {
      connection.closed = code
      this.#journal.note(`server: connection ${number} closed`, code)
    })
    this.#journal.note(`server: connection ${number}`, connection.path)
    connected?.(connection)
  }
}

/** A server that accepts TCP connections and never says a word. */
export class MuteServer {
  readonly sockets: Socket[] = []
  readonly #server = createServer()

  constructor(journal: Journal) {
    this.#server.on('connection', (socket) => {
      const number = this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('close', () => journal.note(`mute server: connection ${number} closed`))
      socket.resume()
      journal.note(`mute server: connection ${number}`)
    })
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }
}
