import {
  createServer,
  memoryStore,
  type PublishOptions,
  type ServerOptions,
  type Session,
  type Store,
} from '../../src/server/index.ts'
import { serverCommands, type ServerSubject } from '../../src/testing/index.ts'

const HANDSHAKE_TIMEOUT_MS = 500
const INBOX_MESSAGES = 2_000
const topics = { keptMessages: 50, maxSubscriptions: 20 }

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
  /** Sessions and topics that they may no longer have. */
  const forbidden = new Set<string>()
  const server = createServer({
    port: 0,
    heartbeat,
    authorize: async ({ session, topic }) => {
      if (topic.startsWith('unsure')) throw new Error('not now')
      if (topic.startsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 300))
      return !topic.startsWith('denied') && !forbidden.has(`${session.id} ${topic}`)
    },
    topics: { maxMessages: topics.keptMessages },
    authenticate: ({ auth }) => {
      if (auth === 'later') throw new Error('not now')
      return typeof auth === 'string' && auth !== 'nobody' && auth
    },
    store: breakage.store ? brokenStore(store, breakage.store(store)) : store,
    limits: {
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      maxMessageBytes: 10_000,
      maxPendingMessages: 1_500,
      maxSubscriptionsPerSession: topics.maxSubscriptions,
    },
    ...breakage.options,
  })
  server.on('error', () => {})
  const obey = async (session: Session, text: string): Promise<void> => {
    const [, command, topic = '', data = ''] = /^(\S+)(?: (\S+))?(?: ([^]*))?$/.exec(text) ?? []
    const publish = (data: string | Uint8Array, options?: PublishOptions) => server.publish(topic, data, options)
    if (command === serverCommands.publish) await publish(data)
    if (command === serverCommands.publishBytes) await publish(new TextEncoder().encode(data))
    if (command === serverCommands.publishVolatile) await publish(data, { volatile: true })
    if (command === serverCommands.publishExcept) await publish(data, { except: session })
    if (command === serverCommands.subscribe) await session.subscribe(topic)
    if (command === serverCommands.unsubscribe) for (const one of server.sessions()) one.unsubscribe(topic)
    if (command === serverCommands.forbid || command === serverCommands.revoke) forbidden.add(`${session.id} ${topic}`)
    if (command === serverCommands.revoke) await session.reauthorize()
  }
  server.on('session', (session) => {
    // What is sent back to a session that has just ended.
    session.on('error', () => {})
    session.on('message', async ({ data }) => {
      if (data === serverCommands.end) return void session.close()
      if (data === serverCommands.wait) await new Promise((resolve) => setTimeout(resolve, 1_000))
      if (typeof data === 'string' && data.startsWith('!')) await obey(session, data)
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
    topics,
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
