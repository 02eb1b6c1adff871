// @ts-check
// heartline's own client and server. `isBuilt` is false as long as the package does not export them.
import { createRequire } from 'node:module'

const { version } = createRequire(import.meta.url)('heartline/package.json')
const { connect } = await importIfExported('heartline')
const { createServer } = await importIfExported('heartline/server')

/** The producer awaits one `send` in so many: it resolves late when too much is on its way. */
const AWAITED_MESSAGES = 1_000

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
