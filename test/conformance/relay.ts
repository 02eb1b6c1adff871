import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import type { Payload } from '../../src/protocol/frame.ts'

/** What becomes of a message: others in its place, or none. `back` says something to whom it came from. */
export type Tamper = (message: Payload, back: (message: Payload) => void) => readonly Payload[]

export interface Relayed {
  /** For each connection another one, so that it can remember something. */
  readonly toServer?: () => Tamper
  readonly toClient?: () => Tamper
  /** The entries of the upgrade. */
  readonly offers?: (offers: string[]) => string[]
}

/** Stands before a server, and says other things than what it is told. */
export async function relay(url: string, { toServer, toClient, offers = (all) => all }: Relayed) {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    perMessageDeflate: false,
    handleProtocols: ([first]) => first!,
  })
  server.on('connection', (client, { headers }) => {
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((entry) => entry.trim())
    const target = new WebSocket(url, offers(protocols), { perMessageDeflate: false })
    const opened = once(target, 'open').catch(() => {})
    pipe(client, target, toServer?.(), opened)
    pipe(target, client, toClient?.(), opened)
  })
  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close(): void {
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}

function pipe(from: WebSocket, to: WebSocket, tamper: Tamper | undefined, opened: Promise<unknown>): void {
  const send = (socket: WebSocket, message: Payload): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(message)
  }
  from.on('message', (data: Buffer, isBinary) => {
    const message = isBinary ? data : String(data)
    void opened.then(() => {
      for (const one of tamper?.(message, (answer) => send(from, answer)) ?? [message]) send(to, one)
    })
  })
  from.on('error', () => {})
  from.on('close', (code) => {
    void opened.then(() => {
      if (code >= 3_000 || code === 1_000) to.close(code)
      else to.terminate()
    })
  })
}
