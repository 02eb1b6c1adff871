import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { encodeHello } from '../../src/protocol/encode.ts'
import { PROTOCOL } from '../../src/protocol/limits.ts'
import { createServer, type HeartlineError, type SessionServer } from '../../src/server/index.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { maskedFrame, Opcode, upgradedSocket } from './hostile/raw-socket.ts'

const SHORT_MS = 300
/** Far above what a busy machine is late by, far below the times that count when nobody sets any. */
const LONG_MS = 15_000

async function urlOf(server: SessionServer<any>): Promise<string> {
  return `ws://127.0.0.1:${(await server.listening).port}/`
}

/** Resolves with the time when an own server has ended a connection that says these bytes and no more. */
async function endedAfterMs(bytes: string): Promise<number> {
  await using server = createServer({ port: 0, limits: { handshakeTimeoutMs: SHORT_MS } })
  const socket = connect((await server.listening).port)
  await once(socket, 'connect')
  const startMs = performance.now()
  socket.write(bytes)
  await once(socket.resume(), 'close')
  return performance.now() - startMs
}

test.each(['', 'GET / HTTP/1.1\r\nHost: a\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n'])(
  'a connection that says %j and no more is ended',
  async (bytes) => {
    expect(await endedAfterMs(bytes)).toBeLessThan(LONG_MS)
  },
)

test('an upgrade without a HELLO is ended with 4804', async () => {
  await using server = createServer({ port: 0, limits: { handshakeTimeoutMs: SHORT_MS } })
  const client = new RawClient(await urlOf(server))
  expect(await client.ended()).toMatchObject({ code: 4804 })
  expect(server.stats.sessions).toBe(0)
})

test('a HELLO that comes byte by byte is ended with the handshake time', async () => {
  await using server = createServer({ port: 0, limits: { handshakeTimeoutMs: SHORT_MS } })
  const { port } = await server.listening
  const socket = await upgradedSocket(port, [PROTOCOL])
  const bytes = maskedFrame(Opcode.text, encodeHello(hello))
  let next = 0
  const drip = setInterval(() => socket.write(bytes.subarray(next, ++next)), 20)
  const [closeFrame] = (await once(socket, 'data')) as [Buffer]
  clearInterval(drip)
  socket.destroy()
  expect(closeFrame.readUInt16BE(2)).toBe(4804)
  expect(next).toBeLessThan(bytes.length)
})

test('many connections that never say HELLO keep nobody out, and leave nothing', async () => {
  await using server = createServer({ port: 0, limits: { handshakeTimeoutMs: SHORT_MS } })
  const url = await urlOf(server)
  const idlers = Array.from({ length: 200 }, () => new RawClient(url))
  const client = RawClient.entering(url)
  await client.welcome()
  expect(await client.isAlive()).toBe(true)
  for (const idler of idlers) expect(await idler.ended()).toMatchObject({ code: 4804 })
  await client.close()
})

test('a flood of HELLO on one connection ends that connection, and makes one session at most', async () => {
  await using server = createServer({ port: 0 })
  const url = await urlOf(server)
  const client = new RawClient(url)
  await client.opened()
  for (let count = 0; count < 1_000; count++) client.send(encodeHello(hello))
  expect(await client.ended()).toMatchObject({ code: 4903 })
  expect(server.stats.sessions).toBeLessThanOrEqual(1)
})

test('an `authenticate` that hangs costs its connection the handshake time, and no session', async () => {
  await using server = createServer({
    port: 0,
    limits: { handshakeTimeoutMs: SHORT_MS },
    authenticate: () => new Promise(() => {}),
  })
  const client = RawClient.entering(await urlOf(server))
  expect(await client.ended()).toMatchObject({ code: 4804 })
  while (server.stats.connections) await new Promise((resolve) => void setImmediate(resolve))
  expect(server.stats.sessions).toBe(0)
})

test.each<[string, () => any]>([
  [
    'throws',
    () => {
      throw new Error('database password: hunter2')
    },
  ],
  ['rejects', () => Promise.reject(new Error('database password: hunter2'))],
  ['rejects with nothing', () => Promise.reject(undefined as unknown as Error)],
  ['returns true', () => true],
  ['returns a number', () => 5],
  ['returns no subject', () => ({ name: 'x' })],
  ['returns a subject that is no text', () => ({ subject: 7 })],
])(
  'an `authenticate` that %s lets nobody in, tells the application, and tells the client nothing',
  async (_, authenticate) => {
    await using server = createServer({ port: 0, authenticate })
    const errors: HeartlineError[] = []
    server.on('error', (error) => errors.push(error))
    const client = RawClient.entering(await urlOf(server))
    expect(await client.ended()).toEqual({ code: 4803, reason: 'authentication failed' })
    expect(client.received).toEqual(['R {"code":4803,"reason":"authentication failed","retryAfterMs":5000}'])
    expect(errors.map(({ code }) => code)).toEqual(['ERR_PROVIDER'])
    expect(server.stats.sessions).toBe(0)
  },
)

test.each<[any]>([[false], [null], [undefined], [''], [0]])(
  'an `authenticate` that returns %j does not accept the client',
  async (answer) => {
    await using server = createServer({ port: 0, authenticate: () => answer })
    const client = RawClient.entering(await urlOf(server))
    expect(await client.ended()).toEqual({ code: 4901, reason: 'unauthorized' })
    expect(server.stats.sessions).toBe(0)
  },
)

test('a client that leaves while it is authenticated is neither connected nor a ghost', async () => {
  let letIn: ((subject: string) => void) | undefined
  await using server = createServer({
    port: 0,
    session: { ttlMs: 0 },
    heartbeat: { intervalMs: 100, timeoutMs: 100 },
    authenticate: () => new Promise<string>((resolve) => (letIn = resolve)),
  })
  const client = RawClient.entering(await urlOf(server))
  await client.opened()
  await client.close()
  while (server.stats.connections) await new Promise((resolve) => void setImmediate(resolve))
  letIn!('somebody')
  // The session that may have been made has nobody, and expires at once.
  await new Promise((resolve) => void setTimeout(resolve, 20))
  expect(server.stats).toMatchObject({ sessions: 0, connections: 0, ghosts: 0 })
})

test('neither the sessions of all nor those of one subject go over their limits, even if all come at once', async () => {
  let letIn!: () => void
  const ready = new Promise<void>((resolve) => (letIn = resolve))
  await using server = createServer({
    port: 0,
    limits: { maxSessions: 5, maxSessionsPerSubject: 2 },
    authenticate: async ({ auth }) => {
      await ready
      return String(auth)
    },
  })
  const url = await urlOf(server)
  const subjects = ['a', 'a', 'a', 'a', 'b', 'b', 'b', 'c', 'd', 'e', 'f', 'g']
  const clients = subjects.map((auth) => RawClient.entering(url, { ...hello, auth }))
  await Promise.all(clients.map((client) => client.opened()))
  letIn()
  await Promise.all(clients.map((client) => client.until('an answer', () => client.received.length > 0)))
  const counts: Record<string, number> = {}
  for (const { subject } of server.sessions()) counts[subject] = (counts[subject] ?? 0) + 1
  expect(server.stats.sessions).toBe(5)
  expect(Math.max(...Object.values(counts))).toBe(2)
  const refused = clients.filter(({ received }) => String(received[0]).startsWith('R '))
  expect(refused).toHaveLength(7)
  for (const client of refused) expect(await client.ended()).toEqual({ code: 4803, reason: 'too many sessions' })
  // Who has a session comes back although there is no room for others.
  const kept = clients.find(({ received }) => String(received[0]).startsWith('W '))!
  const { session, token, generation } = await kept.welcome()
  kept.socket.terminate()
  const resume = { session, token, position: { generation, offset: 0 }, sent: 0 }
  const auth = server.session(session)!.subject
  expect(await RawClient.entering(url, { ...hello, auth, resume }).welcome()).toMatchObject({ resumed: true })
})

test('upgrade headers above the limit of Node get 431', async () => {
  await using server = createServer({ port: 0 })
  const client = new RawClient(await urlOf(server), [PROTOCOL], { headers: { cookie: 'x'.repeat(20_000) } })
  await client.ended()
  expect(client.error?.message).toContain('431')
})

test('beside an application of HTTP, other paths and its own upgrades stay its own', async () => {
  const http = createHttpServer((_, response) => void response.end('page'))
  await using server = createServer({ server: http, path: '/live' })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const { port } = http.address() as AddressInfo
  for (const path of ['/', '/live/', '//live', '/live%2f', '/./live', '/LIVE', '/live/../live', '/%6cive']) {
    const socket = connect(port)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`)
    socket.write(
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(String(answer), path).toMatch(/^HTTP\/1.1 404 /)
    socket.destroy()
  }
  const page = await fetch(`http://127.0.0.1:${port}/`)
  expect(await page.text()).toBe('page')
  http.closeAllConnections()
  http.close()
  expect(server.stats.connections).toBe(0)
})
