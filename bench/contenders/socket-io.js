// @ts-check
// Socket.IO with connection state recovery, over WebSocket only.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { HEARTBEAT_MS, TOPIC_CONNECT_TIMEOUT_MS, TOPIC_HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('socket.io/package.json')

/** Messages that the producer lets pile up behind the transport before it waits. */
const FULL_MESSAGES = 10_000
const RECONNECT_MS = 100

/** @type {import('./contender.js').Contender} */
export const socketIo = {
  name: 'socket.io',
  label: `Socket.IO ${version}`,
  recovers: true,

  async serve(onConnection) {
    const { sockets, url } = await listen({ pingInterval: HEARTBEAT_MS })
    sockets.on('connection', (socket) => onConnection(peer(socket)))
    return { url, close: () => sockets.close() }
  },

  async connect(url) {
    const socket = await open(url, {
      reconnectionDelay: RECONNECT_MS,
      reconnectionDelayMax: RECONNECT_MS,
      randomizationFactor: 0,
    })
    return {
      send: (data) => void socket.send(data),
      onMessage: (listener) => void socket.on('message', listener),
      onReopen: (listener) => void socket.on('connect', listener),
      close: () => socket.disconnect(),
    }
  },

  // It keeps what was published for so long, whatever is asked of it.
  async serveTopics() {
    const { sockets, url } = await listen({
      pingInterval: TOPIC_HEARTBEAT_MS,
      pingTimeout: TOPIC_HEARTBEAT_MS,
      connectTimeout: TOPIC_CONNECT_TIMEOUT_MS,
      connectionStateRecovery: { maxDisconnectionDuration: TOPIC_CONNECT_TIMEOUT_MS },
    })
    sockets.on('connection', (socket) =>
      socket.on('subscribe', async (topics, acknowledge) => {
        await socket.join(topics)
        acknowledge()
      }),
    )
    return {
      url,
      publish: (topic, data) => void sockets.to(topic).emit('message', data),
      connections: () => sockets.engine.clientsCount,
    }
  },

  async join(url, onMessage) {
    const socket = await open(url, { reconnection: false, timeout: TOPIC_CONNECT_TIMEOUT_MS })
    socket.on('message', onMessage)
    return {
      subscribe: (topics) => socket.emitWithAck('subscribe', topics),
      async drop() {
        const dropped = new Promise((resolve) => socket.once('disconnect', resolve))
        socket.io.engine.close()
        await dropped
      },
      comeBack: () => void socket.connect(),
    }
  },
}

/** @param {Partial<import('socket.io').ServerOptions>} options */
async function listen(options) {
  const server = createServer()
  const sockets = new Server(server, {
    transports: ['websocket'],
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
    connectionStateRecovery: {},
    ...options,
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { sockets, url: `http://127.0.0.1:${port}` }
}

/**
 * @param {string} url
 * @param {Partial<import('socket.io-client').ManagerOptions>} options
 */
async function open(url, options) {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    perMessageDeflate: /** @type {any} */ (false),
    ...options,
  })
  await new Promise((resolve) => socket.once('connect', () => resolve(undefined)))
  return socket
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
