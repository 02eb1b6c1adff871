import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { WebSocketServer, type WebSocket } from 'ws'

/** One WebSocket connection, as the server has seen it. */
export interface ServedConnection {
  readonly atMs: number
  readonly received: { readonly atMs: number; readonly text: string }[]
  closed: { readonly atMs: number; readonly code: number; readonly reason: string } | undefined
  readonly socket: WebSocket
}

export interface Site {
  readonly port: number
  /** Of the page. */
  readonly origin: string
  /** Of the WebSocket server, without the proxy. */
  readonly url: string
  /** All connections since the start, oldest first. */
  readonly connections: readonly ServedConnection[]
  close(): Promise<void>
}

const contentTypes: Record<string, string> = {
  '.js': 'text/javascript',
  '.html': 'text/html',
  '.map': 'application/json',
}

/** Serves the test page, the built package under `/dist/`, and a WebSocket server that answers `ping` and echoes the rest. */
export async function startSite(dist: string): Promise<Site> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    const file = pathname.startsWith('/dist/')
      ? join(dist, pathname.slice(6))
      : join(import.meta.dirname, pathname.slice(1))
    readFile(file).then(
      (content) => response.setHeader('content-type', contentTypes[extname(file)] ?? 'text/plain').end(content),
      () => response.writeHead(404).end(),
    )
  })
  const sockets = new WebSocketServer({ server })
  const connections: ServedConnection[] = []
  sockets.on('connection', (socket) => {
    const connection: ServedConnection = { atMs: Date.now(), received: [], closed: undefined, socket }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => {
      if (isBinary) return socket.send(data)
      const text = String(data)
      connection.received.push({ atMs: Date.now(), text })
      if (text === 'close 4001') socket.close(4001, 'as asked')
      else socket.send(text === 'ping' ? 'pong' : text)
    })
    socket.on('close', (code, reason) => {
      connection.closed = { atMs: Date.now(), code, reason: String(reason) }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    url: `ws://127.0.0.1:${port}/`,
    connections,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
