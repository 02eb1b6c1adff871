// @ts-check
// heartline's own client and server. `isBuilt` is false as long as the package does not export them.
import { createServer as createHttpServer } from 'node:http'
import { createRequire } from 'node:module'
import { WebSocket } from 'ws'
import { TOPIC_CONNECT_TIMEOUT_MS, TOPIC_HEARTBEAT_MS } from './contender.js'

const { version } = createRequire(import.meta.url)('heartline/package.json')
const { connect } = await importIfExported('heartline')
const { createServer } = await importIfExported('heartline/server')

/** The producer awaits one `send` in so many: it resolves late when too much is on its way. */
const AWAITED_MESSAGES = 1_000
/** A replay may be of more than a topic retains unless configured. */
const RETAINED = { maxMessages: 1_000_000, maxBytes: 268_435_456 }
const TOPIC_HEARTBEAT = { intervalMs: TOPIC_HEARTBEAT_MS, timeoutMs: TOPIC_HEARTBEAT_MS }

/** @type {import('./contender.js').Contender} */
export const heartline = {
  name: 'heartline',
  label: `heartline ${version}`,
  isBuilt: Boolean(connect && createServer),
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
      onMessage: (listener) => session.on('message', (/** @type {{ data: string }} */ { data }) => listener(data)),
      onReopen: (listener) => void (opened = listener),
      close: () => session.close(),
    }
  },

  hasTopics: Boolean(createServer && 'publish' in createServer({ server: createHttpServer() })),

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
       * @param {string} address
       * @param {string[]} protocols
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
            subscription.on('message', (/** @type {{ data: string }} */ { data }) => onMessage(data))
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
    onMessage: (listener) => session.on('message', (/** @type {{ data: string }} */ { data }) => listener(data)),
    isFull: () => sent >= AWAITED_MESSAGES,
    drained() {
      sent = 0
      return last
    },
  }
}

/**
 * @param {string} specifier
 * @returns {Promise<any>} an empty object if the package has no such export
 */
async function importIfExported(specifier) {
  try {
    return await import(specifier)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return {}
    throw error
  }
}
