import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { faultProxy, type FaultProxy } from '../../src/testing/index.ts'

export const optionError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(message) })

/** How long a test looks at something that must not happen. What must happen is awaited, however long it takes. */
export const QUIET_MS = 100
export const quiet = () => sleep(QUIET_MS)

/** Lets the event loop, which the proxy is in too, deal with all that the kernel has by now. */
export async function settled(): Promise<void> {
  for (let count = 0; count < 10; count++) await turn()
}

export const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  while (cleanUps.length) await cleanUps.pop()!()
})

/** Resolves as soon as the condition holds; fails with what was seen if it never does. */
export async function until(condition: () => boolean, seen: () => unknown): Promise<void> {
  for (let count = 0; !condition(); count++) {
    if (count > 10_000) throw new Error(`Waited in vain, saw ${JSON.stringify(seen())}`)
    await sleep(2)
  }
}

/** One end of a TCP connection, and all that it has seen. */
export class Peer {
  readonly socket: Socket
  readonly chunks: Buffer[] = []
  isEnded = false
  isClosed = false
  errorCode: string | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk))
    socket.on('end', () => (this.isEnded = true))
    socket.on('error', (error: NodeJS.ErrnoException) => (this.errorCode = error.code))
    socket.on('close', () => (this.isClosed = true))
    cleanUps.push(() => socket.destroy())
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return this.bytes.toString()
  }

  get seen() {
    const { text, isEnded, isClosed, errorCode } = this
    return { text: text.slice(-200), isEnded, isClosed, errorCode }
  }

  send(text: string): void {
    this.socket.write(text)
  }

  async receives(text: string): Promise<void> {
    await until(
      () => this.text === text,
      () => this.seen,
    )
  }

  async closes(): Promise<void> {
    await until(
      () => this.isClosed,
      () => this.seen,
    )
  }

  async ends(): Promise<void> {
    await until(
      () => this.isEnded,
      () => this.seen,
    )
  }
}

/** A TCP server that keeps the peers it has accepted. */
export async function tcpServer(onPeer?: (peer: Peer) => void) {
  const peers: Peer[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(new Peer(socket))
    onPeer?.(peers.at(-1)!)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    for (const { socket } of peers) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return {
    peers,
    port: (server.address() as AddressInfo).port,
    async accepts(count: number): Promise<Peer> {
      await until(
        () => peers.length >= count,
        () => ({ accepted: peers.length }),
      )
      return peers[count - 1]!
    },
  }
}

export async function proxyTo(target: number): Promise<FaultProxy> {
  const proxy = await faultProxy({ target })
  cleanUps.push(() => proxy.close())
  return proxy
}

export async function tcpClient(port: number): Promise<Peer> {
  const peer = new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
  await new Promise<void>((resolve) => void peer.socket.once('connect', resolve))
  return peer
}

/** A server, a proxy in front of it, and a connection through it. */
export async function setUp() {
  const server = await tcpServer()
  const proxy = await proxyTo(server.port)
  const client = await tcpClient(proxy.port)
  const accepted = await server.accepts(1)
  return { server, proxy, client, accepted }
}

/** Shows that the proxy still works, and that the server still accepts. */
export async function newConnectionWorks({
  server,
  proxy,
}: {
  server: Awaited<ReturnType<typeof tcpServer>>
  proxy: FaultProxy
}) {
  const count = server.peers.length
  const client = await tcpClient(proxy.port)
  client.send('hello')
  const accepted = await server.accepts(count + 1)
  await accepted.receives('hello')
  accepted.send('welcome')
  await client.receives('welcome')
  return { client, accepted }
}

/** An echoing WebSocket server, a proxy in front of it, and how to connect through it. */
export async function setUpWebSockets() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise<void>((resolve) => void server.once('listening', resolve))
  const closeCodes: number[] = []
  server.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)))
    socket.on('error', () => {})
    socket.on('close', (code) => void closeCodes.push(code))
  })
  cleanUps.push(() => {
    for (const client of server.clients) client.terminate()
    return new Promise((resolve) => server.close(resolve))
  })
  const proxy = await proxyTo((server.address() as AddressInfo).port)
  const connectWebSocket = () => {
    const socket = new WebSocket(proxy.url)
    const messages: string[] = []
    const codes: number[] = []
    const errors: Error[] = []
    socket.on('message', (data) => void messages.push(String(data)))
    socket.on('close', (code) => void codes.push(code))
    socket.on('error', (error) => void errors.push(error))
    cleanUps.push(() => socket.terminate())
    const seen = () => ({ messages, codes, errors: errors.map(String), readyState: socket.readyState })
    return {
      socket,
      messages,
      codes,
      errors,
      opens: () => until(() => socket.readyState === WebSocket.OPEN, seen),
      closes: () => until(() => codes.length > 0, seen),
      echoes: async (text: string) => {
        socket.send(text)
        await until(() => messages.at(-1) === text, seen)
      },
    }
  }
  return { server, proxy, closeCodes, connectWebSocket }
}

/** Bytes in which every position can be told from its neighbours, so that a hole or a swap shows. */
export function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index + 4 <= length; index += 4) bytes.writeUInt32BE(index, index)
  return bytes
}
