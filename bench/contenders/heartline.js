// @ts-check
// heartline's own client and server.
import { createRequire } from 'node:module'
import { connect } from 'heartline'
import { createServer } from 'heartline/server'
import { WebSocket } from 'ws'
import { TOPIC_CONNECT_TIMEOUT_MS, TOPIC_HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('heartline/package.json')

/** The producer awaits one `send` in so many: it resolves late when too much is on its way. */
const AWAITED_MESSAGES = 1_000
/** A replay may be of more than a topic retains unless configured. */
const RETAINED = { maxMessages: 1_000_000, maxBytes: 268_435_456 }
const TOPIC_HEARTBEAT = { intervalMs: TOPIC_HEARTBEAT_MS, timeoutMs: TOPIC_HEARTBEAT_MS }

/** @type {import('./contender.js').Contender} */
export const heartline = {
  name: 'heartline',
  label: `heartline ${version}`,
  recovers: true,

  async serve(onConnection) {
    // Its heartbeat is every 10 s unless configured.
    const server = createServer({ port: 0 })
    const { port } = await server.listening
    server.on('session', (/** @type {any} */ session) => onConnection(peer(session)))
    return { url: `ws://127.0.0.1:${port}`, close: () => server.close({ drainMs: 0 }) }
  },

  async connect(url) {
    const session = connect(url)
    /** @type {() => void} */
    let opened = () => {}
    await new Promise((resolve) => {
      opened = () => resolve(undefined)
      session.on('state', (/** @type {{ state: string }} */ { state }) => state === 'open' && opened())
    })
    opened = () => {}
    return {
      send: (data) => void session.send(data),
      onMessage: (listener) => session.on('message', ({ data }) => listener(/** @type {any} */ (data))),
      onReopen: (listener) => void (opened = listener),
      close: () => session.close(),
    }
  },

  async serveTopics({ retains = false } = {}) {
    const server = createServer({
      port: 0,
      authorize: () => true,
      heartbeat: TOPIC_HEARTBEAT,
      session: { ttlMs: TOPIC_CONNECT_TIMEOUT_MS },
      limits: { handshakeTimeoutMs: TOPIC_CONNECT_TIMEOUT_MS },
      ...(retains && { topics: RETAINED }),
    })
    const { port } = await server.listening
    return {
      url: `ws://127.0.0.1:${port}`,
      publish: (topic, data) => void server.publish(topic, data),
      connections: () => server.stats.connections,
    }
  },

  async join(url, onMessage) {
    /** @type {WebSocket} */
    let transport
    class Transport extends WebSocket {
      /**
       * @param {string | URL} address
       * @param {string | string[]} [protocols]
       */
      constructor(address, protocols) {
        super(address, protocols, { perMessageDeflate: false })
        transport = this
      }
    }
    let mayConnect = Promise.resolve()
    let connecting = () => {}
    const address = async () => {
      connecting()
      await mayConnect
      return url
    }
    const session = connect(address, {
      WebSocket: Transport,
      heartbeat: TOPIC_HEARTBEAT,
      connectTimeoutMs: TOPIC_CONNECT_TIMEOUT_MS,
    })
    await new Promise((resolve) => {
      const off = session.on('state', (/** @type {{ state: string }} */ { state }) => {
        if (state !== 'open') return
        off()
        resolve(undefined)
      })
    })
    let comeBack = () => {}
    return {
      subscribe: (topics) =>
        Promise.all(
          topics.map((topic) => {
            const subscription = session.subscribe(topic)
            subscription.on('message', ({ data }) => onMessage(/** @type {any} */ (data)))
            return new Promise((resolve) => subscription.on('subscribed', resolve))
          }),
        ),
      async drop() {
        mayConnect = new Promise((resolve) => (comeBack = resolve))
        const isConnecting = new Promise((resolve) => (connecting = () => resolve(undefined)))
        transport.terminate()
        await isConnecting
      },
      comeBack: () => comeBack(),
    }
  },
}

/**
 * @param {any} session
 * @returns {import('./contender.js').Peer}
 */
function peer(session) {
  let sent = 0
  /** @type {Promise<unknown>} */
  let last
  return {
    send(data) {
      sent++
      last = session.send(data)
    },
    onMessage: (listener) => session.on('message', (/** @type {any} */ { data }) => listener(data)),
    isFull: () => sent >= AWAITED_MESSAGES,
    drained() {
      sent = 0
      return last
    },
  }
}
