// @ts-check
// Socket.IO with connection state recovery, over WebSocket only.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('socket.io/package.json')

/** Messages that the producer lets pile up behind the transport before it waits. */
const FULL_MESSAGES = 10_000
const RECONNECT_MS = 100

/** @type {import('./contender.js').Contender} */
export const socketIo = {
  name: 'socket.io',
  label: `Socket.IO ${version}`,
  isBuilt: true,
  recovers: true,

  async serve(onConnection) {
    const server = createServer()
    const sockets = new Server(server, {
      transports: ['websocket'],
      perMessageDeflate: false,
      httpCompression: false,
      serveClient: false,
      pingInterval: HEARTBEAT_MS,
      connectionStateRecovery: {},
    })
    sockets.on('connection', (socket) => onConnection(peer(socket)))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
    return { url: `http://127.0.0.1:${port}`, close: () => sockets.close() }
  },

  async connect(url) {
    const socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      perMessageDeflate: /** @type {any} */ (false),
      reconnectionDelay: RECONNECT_MS,
      reconnectionDelayMax: RECONNECT_MS,
      randomizationFactor: 0,
    })
    await new Promise((resolve) => socket.once('connect', () => resolve(undefined)))
    return {
      send: (data) => void socket.send(data),
      onMessage: (listener) => void socket.on('message', listener),
      onReopen: (listener) => void socket.on('connect', listener),
      close: () => socket.disconnect(),
    }
  },
}

/**
 * @param {import('socket.io').Socket} socket
 * @returns {import('./contender.js').Peer}
 */
function peer(socket) {
  let waiting = 0
  socket.conn.on('drain', () => (waiting = 0))
  return {
    send(data) {
      waiting++
      socket.send(data)
    },
    onMessage: (listener) => void socket.on('message', listener),
    isFull: () => waiting > FULL_MESSAGES,
    drained: () => new Promise((resolve) => void socket.conn.once('drain', () => resolve(undefined))),
  }
}
