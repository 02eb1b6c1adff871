// @ts-check
// Raw `ws`, by which the others are measured: no sessions, nothing guaranteed, each message as fast as its API allows.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('ws/package.json')

/** What the producer lets pile up before it waits, and what must be left before it goes on. */
const FULL_BYTES = 4 * 1024 * 1024
const DRAINED_BYTES = FULL_BYTES / 4
/** An echo is sent back as the buffer it came in. */
const TEXT = { binary: false }

/** @type {import('./contender.js').Contender} */
export const ws = {
  name: 'ws',
  label: `raw \`ws\` ${version}`,
  isBuilt: true,
  recovers: false,

  async serve(onConnection) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
    server.on('connection', (socket) => onConnection(peer(socket)))
    const stopSweep = sweep(server)
    await once(server, 'listening')
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
    return {
      url: `ws://127.0.0.1:${port}`,
      close() {
        stopSweep()
        for (const socket of server.clients) socket.terminate()
        server.close()
      },
    }
  },

  async connect(url) {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    await once(socket, 'open')
    socket.on('error', () => {})
    return {
      send: (data) => socket.send(data),
      onMessage: (listener) => void socket.on('message', listener),
      onReopen() {},
      close: () => socket.terminate(),
    }
  },
}

/**
 * @param {WebSocket} socket
 * @returns {import('./contender.js').Peer}
 */
function peer(socket) {
  socket.on('error', () => {})
  return {
    send: (data) => socket.send(/** @type {string | Buffer} */ (data), TEXT),
    onMessage: (listener) => void socket.on('message', listener),
    isFull: () => socket.bufferedAmount > FULL_BYTES,
    async drained() {
      while (socket.bufferedAmount > DRAINED_BYTES) await sleep(1)
    },
  }
}

/** @typedef {WebSocket & { isAlive?: boolean }} Checked */

/**
 * The heartbeat of the README of `ws`.
 *
 * @param {WebSocketServer} server
 */
function sweep(server) {
  /** @this {Checked} */
  function heartbeat() {
    this.isAlive = true
  }
  server.on('connection', (/** @type {Checked} */ socket) => {
    socket.isAlive = true
    socket.on('pong', heartbeat)
  })
  const interval = setInterval(() => {
    server.clients.forEach((/** @type {Checked} */ socket) => {
      if (socket.isAlive === false) return socket.terminate()
      socket.isAlive = false
      socket.ping()
    })
  }, HEARTBEAT_MS)
  return () => clearInterval(interval)
}
