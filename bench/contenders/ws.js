// @ts-check
// Raw `ws`, by which the others are measured: no sessions, nothing guaranteed, each message as fast as its API allows.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { HEARTBEAT_MS, TOPIC_HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('ws/package.json')

/** What the producer lets pile up before it waits, and what must be left before it goes on. */
const FULL_BYTES = 4 * 1024 * 1024
const DRAINED_BYTES = FULL_BYTES / 4
/** What a replay lets pile up for one client: all that is missed, for all that return, would take gigabytes. */
const FULL_REPLAY_BYTES = 64 * 1024
/** An echo is sent back as the buffer it came in. */
const TEXT = { binary: false }

/** @type {import('./contender.js').Contender} */
export const ws = {
  name: 'ws',
  label: `raw \`ws\` ${version}`,
  recovers: false,

  async serve(onConnection) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
    server.on('connection', (socket) => onConnection(peer(socket)))
    const stopSweep = sweep(server, HEARTBEAT_MS)
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

  async serveTopics({ retains = false } = {}) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
    const topics = new Topics(retains)
    server.on('connection', (socket) => {
      socket.on('error', () => {})
      socket.on('close', () => topics.leave(socket))
      socket.on('message', async (data) => {
        await topics.join(socket, JSON.parse(String(data)))
      })
    })
    sweep(server, TOPIC_HEARTBEAT_MS)
    await once(server, 'listening')
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
    return {
      url: `ws://127.0.0.1:${port}`,
      publish: (topic, data) => topics.publish(topic, data),
      connections: () => server.clients.size,
    }
  },

  async join(url, onMessage) {
    /** @type {WebSocket} */
    let socket
    /** @type {string[]} */
    let topics = []
    let received = 0
    const open = async () => {
      socket = new WebSocket(url, { perMessageDeflate: false })
      socket.on('error', () => {})
      await once(socket, 'open')
    }
    // What follows the answer may be here in the same turn.
    const subscribe = () =>
      new Promise((resolve) => {
        socket.once('message', () => {
          socket.on('message', (data) => {
            received++
            onMessage(/** @type {Buffer} */ (data))
          })
          resolve(undefined)
        })
        socket.send(JSON.stringify({ topics, after: received }))
      })
    await open()
    return {
      subscribe(wanted) {
        topics = wanted
        return subscribe()
      },
      async drop() {
        socket.terminate()
        await once(socket, 'close')
      },
      comeBack: () => void open().then(subscribe),
    }
  },
}

/** What an application makes of a loop over sockets. */
class Topics {
  /** @type {Map<string, Set<WebSocket>>} */
  #subscribers = new Map()
  /** @type {Map<string, Buffer[]> | undefined} */
  #logs

  /** @param {boolean} retains */
  constructor(retains) {
    if (retains) this.#logs = new Map()
  }

  /**
   * @param {string} topic
   * @param {string} data
   */
  publish(topic, data) {
    // Encoded once, as in the example of the README of `ws`.
    const message = Buffer.from(data)
    if (this.#logs) entryOf(this.#logs, topic, () => []).push(message)
    for (const socket of this.#subscribers.get(topic) ?? []) socket.send(message, TEXT)
  }

  /**
   * Answers, sends what was missed, and subscribes.
   *
   * @param {WebSocket} socket
   * @param {{ topics: string[], after: number }} request `after` counts the messages of the only topic that are there
   */
  async join(socket, { topics, after }) {
    socket.send('subscribed')
    for (const topic of topics) {
      const log = this.#logs?.get(topic) ?? []
      for (let i = after; i < log.length; i++) {
        if (socket.bufferedAmount < FULL_REPLAY_BYTES) socket.send(log[i], TEXT)
        else await new Promise((resolve) => socket.send(log[i], TEXT, resolve))
        if (socket.readyState !== WebSocket.OPEN) return
      }
      entryOf(this.#subscribers, topic, () => new Set()).add(socket)
    }
  }

  /** @param {WebSocket} socket */
  leave(socket) {
    for (const sockets of this.#subscribers.values()) sockets.delete(socket)
  }
}

/**
 * @template Value
 * @param {Map<string, Value>} map
 * @param {string} key
 * @param {() => Value} make
 */
function entryOf(map, key, make) {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
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
 * @param {number} intervalMs
 */
function sweep(server, intervalMs) {
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
  }, intervalMs)
  return () => clearInterval(interval)
}
