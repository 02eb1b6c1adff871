import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws'
import { guard, type GhostEvent, type WebSocketServerLike } from '../../src/server/index.ts'
import { takeUncaught } from './uncaught.ts'

/** Short for a test, long enough that a busy machine is no ghost. */
const timing = { intervalMs: 600, timeoutMs: 400 }
const BOUND_MS = timing.intervalMs + timing.timeoutMs
/** Beyond the bound, for timers of a busy machine. */
const SLACK_MS = 3_000

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  while (cleanUps.length) await cleanUps.pop()!()
})

async function setUp(options: ServerOptions = { port: 0, host: '127.0.0.1' }) {
  const server = new WebSocketServer(options)
  if (!options.noServer && !options.server) await once(server, 'listening')
  const guarded = guard(server, timing)
  const ghosts: GhostEvent<WebSocket>[] = []
  guarded.on('ghost', (event) => void ghosts.push(event))
  cleanUps.push(() => {
    for (const client of server.clients ?? []) client.terminate()
    guarded.stop()
    return new Promise((resolve) => server.close(resolve))
  })
  const url = () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { server, guarded, ghosts, url }
}

async function open(url: string, options: { autoPong?: boolean } = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, options)
  socket.on('error', () => {})
  cleanUps.push(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** Resolves when the socket closes. Fails after a time that no working guard needs. */
async function closes(socket: WebSocket): Promise<number> {
  const startedAt = performance.now()
  await once(socket, 'close', { signal: AbortSignal.timeout(BOUND_MS + SLACK_MS) })
  return performance.now() - startedAt
}

async function pings(socket: WebSocket, count: number): Promise<void> {
  for (let seen = 0; seen < count; seen++) await once(socket, 'ping', { signal: AbortSignal.timeout(10_000) })
}

test('a client that answers nothing is terminated within the bound, with its measured silence', async () => {
  const { ghosts, guarded, url } = await setUp()
  const socket = await open(url(), { autoPong: false })
  console.info(`ghost terminated after ${Math.round(await closes(socket))} ms (bound ${BOUND_MS} ms)`)
  expect(ghosts).toHaveLength(1)
  const [{ silenceMs, maxSilenceMs, pings }] = ghosts as [GhostEvent<WebSocket>]
  expect(silenceMs).toBeGreaterThanOrEqual(timing.timeoutMs)
  expect(maxSilenceMs).toBeGreaterThanOrEqual(silenceMs)
  expect(pings).toBe(1)
  expect(guarded.stats).toMatchObject({ connections: 0, ghosts: 1, pings: 1 })
})

test('a client that answers pings stays, and is pinged again and again', async () => {
  const { ghosts, guarded, url } = await setUp()
  const socket = await open(url())
  await pings(socket, 4)
  expect(socket.readyState).toBe(WebSocket.OPEN)
  expect(ghosts).toEqual([])
  expect(guarded.stats.connections).toBe(1)
})

test('a client that talks is not pinged while a silent one beside it is', async () => {
  const { url } = await setUp()
  const talker = await open(url(), { autoPong: false })
  const listener = await open(url())
  let talkerPings = 0
  talker.on('ping', () => talkerPings++)
  const talk = setInterval(() => talker.send('still here'), 50)
  cleanUps.push(() => clearInterval(talk))
  await pings(listener, 4)
  expect(talkerPings).toBe(0)
  expect(talker.readyState).toBe(WebSocket.OPEN)
})

test('a message that arrives byte by byte keeps its connection', async () => {
  const { server, url } = await setUp()
  const messages: string[] = []
  const arrived = new Promise<void>((resolve) => {
    server.on('connection', (socket) =>
      socket.on('message', (data) => {
        messages.push(String(data))
        resolve()
      }),
    )
  })
  const raw = connect(Number(new URL(url()).port), '127.0.0.1')
  cleanUps.push(() => raw.destroy())
  raw.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await once(raw, 'data')
  raw.write(Buffer.from([0x81, 0x80 + 100, 0, 0, 0, 0]))
  let sent = 0
  const drip = setInterval(() => {
    raw.write('x')
    if (++sent === 100) clearInterval(drip)
  }, 40)
  cleanUps.push(() => clearInterval(drip))
  const closed = once(raw, 'close')
  // 100 bytes take 4 s: several times the bound. No pong is among them.
  await Promise.race([arrived, closed])
  expect(messages).toEqual(['x'.repeat(100)])
})

test('a listener that throws is reported, and the other ghosts go all the same', async () => {
  const { guarded, url } = await setUp()
  const failure = new Error('a mistake of the application')
  guarded.on('ghost', () => {
    throw failure
  })
  const uncaught: unknown[] = []
  cleanUps.push(takeUncaught((error) => void uncaught.push(error)))
  const sockets = await Promise.all([open(url(), { autoPong: false }), open(url(), { autoPong: false })])
  await Promise.all(sockets.map(closes))
  expect(uncaught).toEqual([failure, failure])
  expect(guarded.stats.ghosts).toBe(2)
})

test('connections that were there before the guard are guarded too', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)))
  const socket = await open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { autoPong: false })
  const guarded = guard(server, timing)
  cleanUps.push(() => guarded.stop())
  await closes(socket)
  expect(guarded.stats.ghosts).toBe(1)
})

test('stop lets go of all connections and leaves them open', async () => {
  const { server, guarded, url } = await setUp()
  const socket = await open(url(), { autoPong: false })
  guarded.stop()
  expect(guarded.stats.connections).toBe(0)
  const other = guard(server, timing)
  cleanUps.push(() => other.stop())
  await closes(socket)
  expect([guarded.stats.ghosts, other.stats.ghosts]).toEqual([0, 1])
})

describe('beside other servers', () => {
  async function listen(options: (http: ReturnType<typeof createServer>) => ServerOptions) {
    const http = createServer()
    const scene = await setUp(options(http))
    await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => http.close())
    return { ...scene, http, url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` }
  }

  test('on an http server', async () => {
    const { guarded, url } = await listen((server) => ({ server }))
    await closes(await open(url, { autoPong: false }))
    expect(guarded.stats.ghosts).toBe(1)
  })

  test('with noServer and no connection event, by add()', async () => {
    const { server, guarded, http, url } = await listen(() => ({ noServer: true, clientTracking: false }))
    http.on('upgrade', (request, socket, head) => {
      server.handleUpgrade(request, socket, head, (webSocket) => guarded.add(webSocket))
    })
    const socket = await open(url, { autoPong: false })
    expect(guarded.stats.connections).toBe(1)
    await closes(socket)
    expect(guarded.stats.ghosts).toBe(1)
  })
})

describe('options', () => {
  const server = new WebSocketServer({ noServer: true })
  test.each([
    [{ intervalMs: 99 }, /`intervalMs`.*100 to 2147483647/],
    [{ timeoutMs: Number.NaN }, /`timeoutMs`.*100 to 2147483647/],
    [{ interval: 1_000 }, /Unknown option `interval`/],
    [1_000, /`options` to be an object/],
  ])('%j is refused', (options, message) => {
    expect(() => guard(server, options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(message) }),
    )
  })

  test('an http server is refused', () => {
    expect(() => guard(createServer() as never)).toThrow(/`WebSocketServer` of the `ws` package/)
  })

  test('a second guard of the same server is refused, until the first one has stopped', () => {
    const first = guard(server)
    expect(() => guard(server)).toThrow(/already has a guard/)
    first.stop()
    guard(server).stop()
  })

  test('a server of the ws package is what it takes', () => {
    expectTypeOf<WebSocketServer>().toExtend<WebSocketServerLike<WebSocket>>()
  })
})
