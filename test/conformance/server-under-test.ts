import { createServer, memoryStore, type ServerOptions, type Store } from '../../src/server/index.ts'
import { serverCommands, type ServerSubject } from '../../src/testing/index.ts'

const HANDSHAKE_TIMEOUT_MS = 500
const INBOX_MESSAGES = 2_000

/** What the raw clients say as `auth`. */
const auth = { accepted: 'alice', other: 'bob', refused: 'nobody', later: 'later' }

/** What is done differently, to break it. */
export interface ServerBreakage {
  readonly options?: Partial<ServerOptions>
  readonly store?: (store: Store) => Partial<Store>
}

/** Our server, with the application that the cases ask for. */
export async function serverUnderTest(breakage: ServerBreakage = {}): Promise<ServerSubject & AsyncDisposable> {
  const heartbeat = { intervalMs: 200, timeoutMs: 200 }
  const store = memoryStore({ maxMessages: INBOX_MESSAGES })
  const server = createServer({
    port: 0,
    heartbeat,
    authenticate: ({ auth }) => {
      if (auth === 'later') throw new Error('not now')
      return typeof auth === 'string' && auth !== 'nobody' && auth
    },
    store: breakage.store ? brokenStore(store, breakage.store(store)) : store,
    limits: { handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS, maxMessageBytes: 10_000, maxPendingMessages: 1_500 },
    ...breakage.options,
  })
  server.on('error', () => {})
  server.on('session', (session) => {
    // What is sent back to a session that has just ended.
    session.on('error', () => {})
    session.on('message', async ({ data }) => {
      if (data === serverCommands.end) return void session.close()
      if (data === serverCommands.wait) await new Promise((resolve) => setTimeout(resolve, 1_000))
      await session.send(data)
    })
  })
  const { port } = await server.listening
  return {
    url: `ws://127.0.0.1:${port}`,
    heartbeat,
    auth,
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    inboxMessages: INBOX_MESSAGES,
    drain: () => server.close({ drainMs: 1_000 }),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** A store that does some things differently. */
const brokenStore = (store: Store, breakage: Partial<Store>): Store => ({
  create: (session) => store.create(session),
  attach: (request) => store.attach(request),
  commit: (session, commit) => store.commit(session, commit),
  append: (session, payload) => store.append(session, payload),
  read: (session, after) => store.read(session, after),
  end: (session, attach) => store.end(session, attach),
  publish: (topic, entry, retention) => store.publish(topic, entry, retention),
  topic: (topic) => store.topic(topic),
  readTopic: (topic, after) => store.readTopic(topic, after),
  watch: (topic, listener) => store.watch(topic, listener),
  ...breakage,
})
