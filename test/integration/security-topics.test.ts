import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { encodeHelloEntry, encodeSub } from '../../src/protocol/encode.ts'
import type { Hello, Sub } from '../../src/protocol/frame.ts'
import { PROTOCOL } from '../../src/protocol/limits.ts'
import { createServer, type HeartlineError, type SessionServer } from '../../src/server/index.ts'
import { megabytes } from './hostile/fuzz-run.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { upgradedSocket } from './hostile/raw-socket.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const urlOf = async (server: SessionServer<any>): Promise<string> => `ws://127.0.0.1:${(await server.listening).port}/`

const sub = (ref: number, topic: string, from: Sub['from'] = 'first'): Sub => ({ ref, topic, from })
const refusal = (ref: number, topic: string, reason: string): string => `U ${JSON.stringify({ ref, topic, reason })}`
const typesOf = (client: RawClient): string => client.received.map((message) => String(message)[0]).join('')

test('without `authorize` no client gets a topic, and the application is told so once', async () => {
  await using server = createServer({ port: 0 })
  const errors: HeartlineError[] = []
  server.on('error', (error) => errors.push(error))
  await server.publish('secret', 'not for you')
  const client = RawClient.entering(await urlOf(server), { ...hello, topics: [sub(1, 'secret')] })
  expect(await client.answered('U ')).toBe(refusal(1, 'secret', 'unauthorized'))
  client.send(encodeSub(sub(2, 'secret')))
  expect(await client.answered('U {"ref":2')).toBe(refusal(2, 'secret', 'unauthorized'))
  expect(await client.isAlive()).toBe(true)
  expect(typesOf(client)).not.toMatch(/[TO]/)
  expect(errors.map(({ code }) => code)).toEqual(['ERR_NO_AUTHORIZE'])
  await client.close()
})

test.each<[string, () => boolean | Promise<boolean>]>([
  [
    'throws',
    () => {
      throw new Error('no database')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no database'))],
])('an `authorize` that %s lets nobody in, and the client comes back later', async (_how, authorize) => {
  await using server = createServer({ port: 0, authorize })
  const errors: HeartlineError[] = []
  server.on('error', (error) => errors.push(error))
  await server.publish('secret', 'not for you')
  const client = RawClient.entering(await urlOf(server), { ...hello, topics: [sub(1, 'secret')] })
  expect(await client.ended()).toMatchObject({ code: 4803 })
  expect(typesOf(client)).not.toMatch(/[TO]/)
  expect(errors.map(({ code, cause }) => [code, String(cause)])).toEqual([['ERR_PROVIDER', 'Error: no database']])
})

test('an `authorize` that does not answer gives nothing, and holds up nothing else', async () => {
  const authorize = ({ topic }: { topic: string }): boolean | Promise<boolean> =>
    topic === 'open' || new Promise<boolean>(() => {})
  await using server = createServer({ port: 0, authorize })
  await server.publish('secret', 'not for you')
  await server.publish('open', 'for all')
  const client = RawClient.entering(await urlOf(server), { ...hello, topics: [sub(1, 'secret'), sub(2, 'open')] })
  expect(await client.answered('T')).toMatch(/ for all$/)
  expect(await client.isAlive()).toBe(true)
  expect(client.received.join()).not.toContain('not for you')
  await client.close()
})

test('`authorize` is asked at every attach: what was allowed before gives nothing any more', async () => {
  let isAllowed = true
  await using server = createServer({ port: 0, authorize: () => isAllowed })
  const url = await urlOf(server)
  await server.publish('secret', 'first')
  const client = RawClient.entering(url, { ...hello, topics: [sub(1, 'secret')] })
  const { session, token, generation: inbox } = await client.welcome()
  await client.answered('T')
  await client.close()
  isAllowed = false
  const { offset, generation } = (await server.publish('secret', 'second'))!
  const again: Hello = {
    ...hello,
    resume: { session, token, position: { generation: inbox, offset: 0 }, sent: 0 },
    topics: [sub(1, 'secret', { generation, offset: offset - 1 })],
  }
  const next = RawClient.entering(url, again)
  expect(await next.welcome()).toMatchObject({ session, resumed: true })
  expect(await next.answered('U ')).toBe(refusal(1, 'secret', 'unauthorized'))
  expect(await next.isAlive()).toBe(true)
  expect(typesOf(next)).not.toMatch(/[TO]/)
  expect(server.topic('secret').subscribers).toBe(0)
  await next.close()
})

test('no client subscribes to what is for a subject or for other sessions, whatever `authorize` says', async () => {
  const asked: string[] = []
  await using server = createServer({
    port: 0,
    authenticate: ({ auth }) => String(auth),
    authorize: ({ topic }) => {
      asked.push(topic)
      return true
    },
  })
  const url = await urlOf(server)
  const ann = connect(url, { auth: 'ann' })
  const received: (string | undefined)[] = []
  const heard = new Promise<void>((resolve) => {
    ann.on('message', ({ data, topic }) => {
      received.push(topic)
      if (data === 'two') resolve()
    })
  })
  await expect.poll(() => server.stats.connections).toBe(1)
  await server.publish({ subject: 'ann' }, 'one')
  await server.publish([...server.sessions()], 'two')
  await heard
  const eve = RawClient.entering(url, { ...hello, auth: 'eve' })
  await eve.welcome()
  for (const [index, topic] of received.entries()) {
    eve.send(encodeSub(sub(index + 1, topic!)))
    expect(await eve.answered(`U {"ref":${index + 1}`)).toBe(refusal(index + 1, topic!, 'unauthorized'))
  }
  // Nor by saying that the server had done it.
  const claiming = RawClient.entering(url, {
    ...hello,
    auth: 'eve',
    topics: received.map((topic) => sub(0, topic!, { generation: 'x', offset: 0 })),
  })
  await claiming.welcome()
  claiming.send(...received.map((topic) => encodeSub(sub(0, topic!, { generation: 'x', offset: 0 }))))
  await server.publish({ subject: 'ann' }, 'three')
  for (const client of [eve, claiming]) {
    expect(await client.isAlive()).toBe(true)
    expect(typesOf(client)).not.toMatch(/[TO]/)
    await client.close()
  }
  expect(asked).toEqual([])
  await ann.close()
})

test('a client that subscribes without end has `limits.maxSubscriptionsPerSession`, also before `authorize` has answered', async () => {
  const answers: ((isAllowed: boolean) => void)[] = []
  await using server = createServer({
    port: 0,
    authorize: () => new Promise<boolean>((resolve) => answers.push(resolve)),
    limits: { maxSubscriptionsPerSession: 10 },
  })
  const client = RawClient.entering(await urlOf(server))
  await client.welcome()
  for (let ref = 1; ref <= 1_000; ref++) client.send(encodeSub(sub(ref, `topic ${ref}`)))
  expect(await client.isAlive()).toBe(true)
  expect(answers.length).toBe(10)
  for (const answer of answers) answer(true)
  expect(await client.isAlive()).toBe(true)
  client.send(encodeSub(sub(1_001, 'one more')))
  expect(await client.answered('U {"ref":1001')).toBe(refusal(1_001, 'one more', 'limit'))
  expect(typesOf(client).replace(/[^UO]/g, '')).toBe(`${'U'.repeat(990)}${'O'.repeat(10)}U`)
  expect(server.stats).toMatchObject({ topics: 10, subscriptions: 10 })
  await client.close()
})

test('a subscriber that acknowledges nothing gets one window, and all others get everything', async () => {
  await using server = createServer({ port: 0, authorize: () => true })
  const url = await urlOf(server)
  const window = { messages: 10, bytes: 1_000 }
  const idle = RawClient.entering(url, { window, topics: [sub(1, 'news')] })
  await idle.answered('O ')
  const session = connect(url)
  const news = session.subscribe('news')
  const heard = new Promise<void>((resolve) => {
    news.on('message', ({ data }) => {
      if (data === 'message 999') resolve()
    })
  })
  await new Promise<void>((resolve) => news.on('subscribed', () => resolve()))
  for (let count = 0; count < 1_000; count++) await server.publish('news', `message ${count}`)
  await heard
  expect(await idle.isAlive()).toBe(true)
  expect(idle.received.join('').match(/message \d/g)?.length).toBe(10)
  await idle.close()
  await session.close()
})

test('subscribers that do not read, with windows of any size, hold up one buffer each and the topic', async () => {
  const COUNT = 20
  await using server = createServer({ port: 0, authorize: () => true })
  const { port } = await server.listening
  const body: Hello = { window: { messages: 1e9, bytes: 1e12 }, topics: [sub(1, 'news')] }
  const sockets: Socket[] = []
  for (let index = 0; index < COUNT; index++) {
    const socket = await upgradedSocket(port, [PROTOCOL, encodeHelloEntry(body)])
    socket.pause()
    sockets.push(socket)
  }
  await expect.poll(() => server.stats.subscriptions).toBe(COUNT)
  collectGarbage()
  const before = process.memoryUsage()
  for (let count = 0; count < 1_000; count++) {
    await server.publish('news', 'x'.repeat(65_536))
    await new Promise((resolve) => setImmediate(resolve))
  }
  collectGarbage()
  const after = process.memoryUsage()
  const growth = after.heapUsed + after.external - before.heapUsed - before.external
  console.info(`${COUNT} subscribers that do not read: ${megabytes(growth)} more`)
  expect(server.stats).toMatchObject({ connections: COUNT, subscriptions: COUNT })
  expect(growth).toBeLessThan(16 * 1_048_576)
  for (const socket of sockets) socket.destroy()
})

test('a client that acknowledges messages of topics that it was not sent is ended with 4903', async () => {
  await using server = createServer({ port: 0, authorize: () => true })
  const client = RawClient.entering(await urlOf(server), { ...hello, topics: [sub(1, 'news')] })
  await client.answered('O ')
  client.send('A0,1,1')
  expect(await client.ended()).toMatchObject({ code: 4903 })
})
