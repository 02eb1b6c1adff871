import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws'
import { guard, type GhostEvent, type WebSocketServerLike } from '../../src/server/index.ts'
import { takeUncaught } from './uncaught.ts'

/** Short for a test, long enough that a busy machine is no ghost. */
const timing = { intervalMs: 600, timeoutMs: 400 }
const BOUND_MS = timing.intervalMs + timing.timeoutMs
/** Beyond the bound, for timers of a busy machine. */
const SLACK_MS = 3_000
/** The opening handshake of a client that is no more than a TCP socket. */
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

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
  raw.write(UPGRADE)
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

test('a client that takes a large message slowly stays, though its answer comes late', async () => {
  const { server, ghosts, url } = await setUp()
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const raw = connect(Number(new URL(url()).port), '127.0.0.1')
  cleanUps.push(() => raw.destroy())
  raw.write(UPGRADE)
  const [socket] = await accepted
  const startedAt = performance.now()
  let bytes = 0
  raw.on('data', ({ length }) => {
    bytes += length
    const aheadMs = bytes / 8_000 - (performance.now() - startedAt)
    if (aheadMs < 1) return
    raw.pause()
    setTimeout(() => raw.resume(), aheadMs)
  })
  // At 8 MB/s it takes 3 s, three times the bound. The ping waits behind it, in the process and then in the kernel.
  const taken = new Promise<void>((resolve) => socket.send(Buffer.alloc(24_000_000), () => resolve()))
  await Promise.race([taken, closes(socket)])
  expect(performance.now() - startedAt).toBeGreaterThan(BOUND_MS)
  expect(ghosts).toEqual([])
  const pong = once(socket, 'pong')
  raw.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
  await pong
})

test('a connection that the application has paused is not judged', async () => {
  const { server, guarded, ghosts, url } = await setUp()
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const client = await open(url())
  const idle = await open(url())
  const [socket] = await accepted
  socket.pause()
  // More than its buffer holds: the pongs that follow are not read.
  for (let i = 0; i < 64; i++) client.send(Buffer.alloc(64 * 1024))
  await pings(idle, 5)
  expect(ghosts).toEqual([])
  expect(guarded.stats.connections).toBe(2)
  const message = once(socket, 'message')
  socket.resume()
  await message
})

test('an event loop that stands still ends no connection', async () => {
  const { guarded, ghosts, url } = await setUp()
  const sockets = await Promise.all([open(url()), open(url()), open(url())])
  for (let i = 0; i < 2; i++) {
    await pings(sockets[i]!, 1)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * BOUND_MS)
  }
  await pings(sockets[0]!, 2)
  expect(ghosts).toEqual([])
  expect(guarded.stats.connections).toBe(3)
  expect(guarded.stats.lateTicks).toBeGreaterThanOrEqual(1)
  expect(guarded.stats.stalledMs).toBeGreaterThanOrEqual(BOUND_MS)
})

test('a ghost whose closing handshake hangs goes within the bound too, and with it the server', async () => {
  const { server, guarded, url } = await setUp()
  const client = await open(url(), { autoPong: false })
  // It no longer reads: neither a ping nor a close frame is ever answered.
  client.pause()
  for (const socket of server.clients) socket.close()
  const startedAt = performance.now()
  await new Promise((resolve) => server.close(resolve))
  // By itself, `ws` waits for 30 s.
  expect(performance.now() - startedAt).toBeLessThan(BOUND_MS + SLACK_MS)
  expect(guarded.stats).toMatchObject({ connections: 0, ghosts: 1, pings: 0 })
})

test('a listener that is taken away is not called, and one may stop the guard', async () => {
  const { guarded, ghosts, url } = await setUp()
  let calls = 0
  guarded.on('ghost', () => calls++)()
  guarded.on('ghost', () => guarded.stop())
  const sockets = await Promise.all([open(url(), { autoPong: false }), open(url(), { autoPong: false })])
  await Promise.any(sockets.map(closes))
  expect(calls).toBe(0)
  expect(ghosts).toHaveLength(1)
  expect(guarded.stats.connections).toBe(0)
})

test('the guard does not keep the process alive', async () => {
  const { guarded, url } = await setUp()
  await pings(await open(url()), 1)
  const resources = process.getActiveResourcesInfo()
  guarded.stop()
  expect(process.getActiveResourcesInfo()).toEqual(resources)
})

test('a connection without a TCP socket is skipped, or refused by add()', () => {
  const server = new WebSocketServer({ noServer: true })
  const guarded = guard(server)
  cleanUps.push(() => guarded.stop())
  const fake = { readyState: WebSocket.OPEN, bufferedAmount: 0, terminate() {}, _socket: new PassThrough() }
  const webSocket = Object.assign(new EventEmitter(), fake) as unknown as WebSocket
  server.emit('connection', webSocket, { socket: new PassThrough() })
  expect(guarded.stats).toMatchObject({ connections: 0, skipped: 1 })
  expect(() => guarded.add(webSocket)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
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
