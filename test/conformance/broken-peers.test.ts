import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { connect } from '../../src/client/node.ts'
import { clientCases, serverCases, type ClientSubject } from '../../src/testing/index.ts'
import type { NewSession } from '../../src/server/index.ts'
import { clientUnderTest } from './client-under-test.ts'
import { expectFinding, found } from './finding.ts'
import { serverUnderTest, type ServerBreakage } from './server-under-test.ts'

interface BrokenServer {
  readonly what: string
  readonly breakage: ServerBreakage
  readonly fails: readonly string[]
  readonly passes: readonly string[]
}

/** SHA-256 of the token that a session has now. */
const hashes = new Map<string, NewSession['tokenHash']>()

const brokenServers: readonly BrokenServer[] = [
  {
    what: 'takes any token',
    breakage: {
      store: (store) => ({
        create: (request) => {
          hashes.set(request.session, request.tokenHash)
          return store.create(request)
        },
        attach: (request) => {
          const tokenHash = hashes.get(request.session) ?? request.tokenHash
          hashes.set(request.session, request.nextTokenHash)
          return store.attach({ ...request, tokenHash })
        },
      }),
    },
    fails: ['token/wrong', 'handshake/replayed-hello'],
    passes: ['token/former', 'resume/again-and-again'],
  },
  {
    what: 'never forgets a former token',
    breakage: { store: (store) => ({ commit: (id, commit) => store.commit(id, { ...commit, isConfirmed: false }) }) },
    fails: ['token/confirmed-by-A', 'token/confirmed-by-D', 'handshake/replayed-hello'],
    passes: ['token/wrong', 'token/former'],
  },
  {
    what: 'does not see a fork',
    breakage: { store: (store) => ({ attach: (request) => store.attach({ ...request, sent: 1e9 }) }) },
    fails: ['attach/forked'],
    passes: ['attach/takeover'],
  },
  {
    what: 'forgets the oldest message that it has to replay',
    breakage: {
      store: (store) => ({
        read: (id, after) => {
          const slice = store.read(id, after)
          if (!slice || slice instanceof Promise || slice.last < 4) return slice
          return { first: Math.max(slice.first, after + 2), last: slice.last, at: (offset) => slice.at(offset) }
        },
      }),
    },
    fails: ['resume/replays-what-was-missed', 'resume/acknowledgement-during-replay'],
    passes: ['resume/first-frame', 'token/former'],
  },
  {
    what: 'replays other messages under the same numbers',
    breakage: {
      store: (store) => ({
        read: (id, after) => {
          const slice = store.read(id, after)
          if (!slice || slice instanceof Promise) return slice
          return { first: slice.first, last: slice.last, at: (offset) => slice.at(Math.max(slice.first, offset - 1)) }
        },
      }),
    },
    fails: ['resume/replays-what-was-missed', 'data/text'],
    passes: ['handshake/in-upgrade'],
  },
  {
    what: 'acknowledges what its application is not done with',
    breakage: { options: { session: { acknowledge: 'received' } } },
    fails: ['ack/handled'],
    passes: ['data/text'],
  },
  {
    what: 'lets every page in',
    breakage: { options: { allowedOrigins: '*' } },
    fails: ['handshake/foreign-origin'],
    passes: ['handshake/not-offered'],
  },
  {
    what: 'hardly ever asks',
    breakage: { options: { heartbeat: { intervalMs: 60_000 } } },
    fails: ['heartbeat/asks', 'heartbeat/reaps'],
    passes: ['heartbeat/answers-P'],
  },
]

test.concurrent.each(brokenServers)('a server that $what is found', async ({ breakage, fails, passes }) => {
  const findings = [...fails, ...passes].map(async (id) => {
    await using subject = await serverUnderTest(breakage)
    return [id, (await found(serverCases, id, subject))?.message] as const
  })
  for (const [id, finding] of await Promise.all(findings)) expectFinding(id, finding, fails.includes(id))
})

test('a server that never answers fails in time, and the error says what went over the wire', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const finding = await found(serverCases, 'handshake/in-upgrade', {
    url,
    heartbeat: { intervalMs: 200, timeoutMs: 200 },
  })
  expect(finding!.message).toMatch(/Expected an answer to the upgrade request[^]*→ upgrade, hello/)
  server.close()
})

test('a server of another protocol fails', async () => {
  const server = new WebSocketServer({ port: 0, handleProtocols: () => 'heartline.v1' })
  server.on('connection', (webSocket) => webSocket.on('message', (data) => webSocket.send(data)))
  await once(server, 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const subject = { url, heartbeat: { intervalMs: 200, timeoutMs: 200 } }
  const ids = ['handshake/in-upgrade', 'data/text', 'frames/topics', 'handshake/malformed-entry']
  for (const finding of await Promise.all(ids.map((id) => found(serverCases, id, subject))))
    expect(finding).toBeDefined()
  server.close()
})

test('a case whose subject lacks what it needs says so', async () => {
  const goaway = serverCases.find(({ needs }) => needs.includes('drain'))!
  const subject = { url: 'ws://127.0.0.1:1', heartbeat: { intervalMs: 200, timeoutMs: 200 } }
  await expect(goaway.run(subject)).rejects.toThrow('needs `drain`')
})

interface BrokenClient {
  readonly what: string
  readonly subject: Partial<ClientSubject>
  readonly fails: readonly string[]
  readonly passes: readonly string[]
}

/** Our client, with an application that does not do what it should. */
const withEvents = (change: (events: Parameters<ClientSubject['start']>[1]) => Partial<typeof events>) => ({
  start: (url: string, events: Parameters<ClientSubject['start']>[1]) =>
    clientUnderTest.start(url, { ...events, ...change(events) }),
})

const brokenClients: readonly BrokenClient[] = [
  {
    what: 'always comes back',
    subject: {
      start(url, events) {
        const session = connect(url, { reconnect: { minDelayMs: 20, maxDelayMs: 100, shouldReconnect: () => true } })
        session.on('message', ({ data }) => events.message(data))
        return { send: (data) => session.send(data), close: () => session.close() }
      },
    },
    fails: ['close/final-4902', 'close/final-4999', 'reject/final'],
    passes: ['close/back-after-4799', 'data/sends'],
  },
  {
    what: 'acknowledges what its application is not done with',
    subject: withEvents(({ message }) => ({
      message: (data) => {
        void message(data)
        return Promise.resolve()
      },
    })),
    fails: ['ack/handled', 'resume/waits-for-its-application'],
    passes: ['data/hands-over'],
  },
  {
    what: 'tells its application everything twice',
    subject: withEvents(({ message }) => ({ message: (data) => message(data).then(() => message(data)) })),
    fails: ['data/hands-over', 'resume/takes-each-number-once'],
    passes: ['data/sends'],
  },
  {
    what: 'keeps gaps to itself',
    subject: withEvents(() => ({ gap: () => {} })),
    fails: ['gap/in-place', 'resume/refused', 'resume/other-generation'],
    passes: ['resume/replays'],
  },
  {
    what: 'sends again by itself what may have arrived',
    subject: {
      start(url, events) {
        const client = clientUnderTest.start(url, { ...events, lost: (data) => void send(data).catch(() => {}) })
        const send = async (data: string | Uint8Array): Promise<unknown> => (await client).send(data)
        return client
      },
    },
    fails: ['resume/refused'],
    passes: ['resume/replays', 'bye/of-nothing'],
  },
  {
    what: 'never asks',
    subject: {
      start: (url, events) => {
        const session = connect(url, { heartbeat: { intervalMs: 60_000 } })
        session.on('message', ({ data }) => events.message(data))
        return { send: (data) => session.send(data), close: () => session.close() }
      },
    },
    fails: ['heartbeat/asks', 'heartbeat/drops'],
    passes: ['heartbeat/answers-P24'],
  },
  {
    what: 'never comes',
    subject: { start: () => ({ send: () => Promise.resolve(), close: () => {} }) },
    fails: ['handshake/hello', 'data/sends'],
    passes: [],
  },
]

test.concurrent.each(brokenClients)('a client that $what is found', async ({ subject, fails, passes }) => {
  const findings = [...fails, ...passes].map(
    async (id) => [id, (await found(clientCases, id, { ...clientUnderTest, ...subject }))?.message] as const,
  )
  for (const [id, finding] of await Promise.all(findings)) expectFinding(id, finding, fails.includes(id))
})
