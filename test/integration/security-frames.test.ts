import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { encodeHello } from '../../src/protocol/encode.ts'
import { createServer, type ServerOptions, type SessionServer } from '../../src/server/index.ts'
import { RawClient } from './hostile/raw-client.ts'
import { maskedFrame, Opcode, upgradedSocket } from './hostile/raw-socket.ts'

const limits = { maxMessageBytes: 5_000, maxPendingMessages: 16, maxPendingBytes: 8_000, maxHelloBytes: 512 }

/** A server that echoes. */
async function echoServer(options: ServerOptions = {}): Promise<{ server: SessionServer; url: string }> {
  const server = createServer({ port: 0, limits, ...options })
  server.on('session', (session) => session.on('message', ({ data }) => session.send(data)))
  const { port } = await server.listening
  return { server, url: `ws://127.0.0.1:${port}/` }
}

/** Resolves when something is so; asked after each turn of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  const endsAt = performance.now() + 15_000
  while (!isSo()) {
    if (performance.now() > endsAt) throw new Error('It never was so.')
    await new Promise((resolve) => void setImmediate(resolve))
  }
}

test('a message above `maxPayload` ends its connection with 1009, at once', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const client = RawClient.entering(url)
  const { session } = await client.welcome()
  client.send(`D1,0 ${'x'.repeat(50_000)}`)
  expect(await client.ended()).toMatchObject({ code: 1009 })
  expect(server.session(session)!.isConnected).toBe(false)
  expect(server.stats).toMatchObject({ violations: 1, connections: 0 })
})

test('a peer that goes on sending after it has broken the protocol of WebSocket is dropped within two seconds', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const socket = await upgradedSocket(Number(new URL(url).port))
  const [session] = server.sessions()
  expect(session!.isConnected).toBe(true)
  const startMs = performance.now()
  // A reserved bit. Then it answers neither the close frame nor the end of the TCP stream.
  socket.write(Buffer.from([0xc1, 0x80, 0, 0, 0, 0]))
  await until(() => !session!.isConnected)
  const noise = setInterval(() => socket.write(maskedFrame(Opcode.text, 'P')), 20)
  await until(() => server.stats.connections === 0)
  clearInterval(noise)
  socket.destroy()
  const tookMs = performance.now() - startMs
  expect(tookMs).toBeGreaterThan(1_000)
  expect(tookMs).toBeLessThan(10_000)
})

test('a message above `maxMessageBytes` ends its connection with 4904, and is not handed over', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const client = RawClient.entering(url)
  await client.welcome()
  client.send(`D1,0 ${'x'.repeat(5_001)}`)
  expect(await client.ended()).toMatchObject({ code: 4904 })
  expect(client.received.filter((message) => String(message).startsWith('D'))).toEqual([])
})

test.each([
  ['messages', Array.from({ length: 17 }, (_, index) => `D${index + 1},0 `)],
  ['bytes', Array.from({ length: 15 }, (_, index) => `D${index + 1},0 ${'x'.repeat(5_000)}`)],
])('more %s than the window ends the connection with 4904', async (_, messages) => {
  await using server = createServer({ port: 0, limits })
  const { port } = await server.listening
  const client = RawClient.entering(`ws://127.0.0.1:${port}/`)
  await client.welcome()
  client.send(...messages)
  expect(await client.ended()).toMatchObject({ code: 4904 })
})

test('what is repeated in front of a new message takes room in the window, too: it keeps its memory alive', async () => {
  await using server = createServer({ port: 0, limits })
  const { port } = await server.listening
  let client = RawClient.entering(`ws://127.0.0.1:${port}/`)
  let welcome = await client.welcome()
  client.send('D1,0 nobody listens', 'D2,0 x')
  let resumes = 0
  for (; resumes < 16; resumes++) {
    const { session, token, generation, received } = { ...welcome, received: resumes + 2 }
    const resume = { session, token, position: { generation, offset: 0 }, sent: 99 }
    expect(await client.isAlive()).toBe(true)
    client = RawClient.entering(`ws://127.0.0.1:${port}/`, { resume, window: { messages: 1, bytes: 1 } })
    welcome = await client.welcome()
    expect(welcome.received).toBe(received)
    client.send(`B${received - 1},0,5000,5000,1 ${'x'.repeat(10_001)}`)
    if (!(await client.isAlive())) break
  }
  expect(client.closed).toMatchObject({ code: 4904 })
  // The window of 8,000 bytes, and a frame of the largest size beyond it.
  expect(resumes).toBe(7)
})

test('a message that comes byte by byte ends its connection with 1008, long before its end', async () => {
  await using server = createServer({ port: 0, limits: { maxMessageBytes: 1, maxPendingBytes: 1 } })
  const { port } = await server.listening
  const socket = await upgradedSocket(port)
  socket.setNoDelay()
  const answers: Buffer[] = []
  socket.on('data', (data: Buffer) => answers.push(data))
  const frame = maskedFrame(Opcode.text, `D1,0 ${'x'.repeat(16_000)}`)
  let sent = 0
  while (server.stats.violations === 0 && sent < frame.length) {
    await new Promise<void>((resolve) => void socket.write(frame.subarray(sent, ++sent), () => resolve()))
    await new Promise((resolve) => void setImmediate(resolve))
  }
  expect(sent).toBeLessThan(frame.length)
  // In the close frame, as two bytes.
  await until(() => Buffer.concat(answers).includes(Buffer.from([1008 >> 8, 1008 & 255])))
  socket.destroy()
})

test('a message out of order gets NACK with the expected number, and 4805', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const client = RawClient.entering(url)
  await client.welcome()
  client.send('D1,0 one', 'D3,0 three')
  expect(await client.ended()).toMatchObject({ code: 4805 })
  expect(client.received).toContain('N2')
})

test.each(['D1,0 x', 'A0', 'P', 'Q', 'E0,0', 'W {}', 'x', ''])(
  '%j before HELLO ends the connection with 4903',
  async (frame) => {
    const { server, url } = await echoServer()
    await using _ = server
    const client = new RawClient(url)
    await client.opened()
    client.send(frame)
    expect(await client.ended()).toMatchObject({ code: 4903 })
    expect(server.stats.sessions).toBe(0)
  },
)

test('a HELLO above `maxHelloBytes` ends the connection with 4904, even if it comes in small parts', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const whole = new RawClient(url)
  await whole.opened()
  whole.send(encodeHello({ auth: 'x'.repeat(600), window: { messages: 1, bytes: 1 } }))
  expect(await whole.ended()).toMatchObject({ code: 4904 })
  const parts = new RawClient(url)
  await parts.opened()
  for (let part = 0; part < 100 && !parts.closed; part++) parts.socket.send('x'.repeat(100), { fin: false })
  expect(await parts.ended()).toMatchObject({ code: 4904 })
  expect(server.stats).toMatchObject({ sessions: 0, violations: 2 })
})

test('a second HELLO ends the connection with 4903', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const body = { window: { messages: 1, bytes: 1 } }
  const twice = await RawClient.greeting(url, body)
  twice.send(encodeHello(body))
  expect(await twice.ended()).toMatchObject({ code: 4903 })
  const both = RawClient.entering(url, body)
  await both.welcome()
  both.send(encodeHello(body))
  expect(await both.ended()).toMatchObject({ code: 4903 })
})

test('a session whose client claims a position that was never reached expires like others', async () => {
  const { server, url } = await echoServer({ session: { ttlMs: 0 } })
  await using _ = server
  const client = RawClient.entering(url)
  const { session, token, generation } = await client.welcome()
  const resume = { session, token, position: { generation, offset: 7 }, sent: 0 }
  const liar = RawClient.entering(url, { resume, window: { messages: 1, bytes: 1 } })
  expect(await liar.ended()).toMatchObject({ code: 4903 })
  expect(await client.ended()).toMatchObject({ code: 4902 })
  await until(() => server.stats.sessions === 0)
  expect(server.stats).toMatchObject({ violations: 1, expired: 1 })
})

test('compression is not negotiated, though it is offered', async () => {
  const { server, url } = await echoServer()
  await using _ = server
  const client = RawClient.entering(url, undefined, { perMessageDeflate: true })
  await client.welcome()
  expect(client.socket.extensions).toBe('')
  await client.close()
})

test('members named __proto__ and constructor change nothing, and do not reach `authenticate`', async () => {
  const seen: unknown[] = []
  const { server, url } = await echoServer({
    authenticate: ({ auth }) => {
      seen.push(auth)
      return 'somebody'
    },
  })
  await using _ = server
  const inner = '{"a":1,"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}'
  const client = new RawClient(url)
  await client.opened()
  client.send(`H {"__proto__":{"resume":{}},"auth":${inner},"window":{"messages":1,"bytes":1,"__proto__":null}}`)
  await client.welcome()
  expect(seen).toHaveLength(1)
  expect(Object.keys(seen[0] as object)).toEqual(['a', 'constructor'])
  expect(Object.assign({}, seen[0])).not.toHaveProperty('isAdmin')
  expect({}).not.toHaveProperty('isAdmin')
  await client.close()
})

test('a message that waits does not keep alive what came with it', async () => {
  await using server = createServer({ port: 0 })
  const data = new Promise<Uint8Array>((resolve) => {
    server.on('session', (session) => session.on('message', ({ data }) => resolve(data as Uint8Array)))
  })
  const { port } = await server.listening
  const client = RawClient.entering(`ws://127.0.0.1:${port}/`)
  await client.welcome()
  const { _socket: socket } = client.socket as unknown as { _socket: import('node:net').Socket }
  // In one piece, so that the server reads it as one.
  socket.cork()
  for (let frame = 0; frame < 200; frame++) client.socket.pong('x'.repeat(100))
  client.send(Buffer.from('D1,0 x'))
  socket.uncork()
  expect((await data).buffer.byteLength).toBeLessThan(100)
  await client.close()
})

test.each([
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: heartline.v1\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: heartline.v1, heartline.hello.%7B\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: heartline.v1, heartline.hello.%\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: heartline.v1\r\n\r\n',
  'GET /other HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'x'.repeat(20_000)}\r\n\r\n`,
  '\x16\x03\x01\x02\x00\x01\x00',
])('a request that is no proper upgrade is refused, also if its socket fails meanwhile: %j', async (request) => {
  const { server, url } = await echoServer()
  await using _ = server
  const port = Number(new URL(url).port)
  const answered = connect(port)
  answered.write(request, 'latin1')
  const [answer] = (await once(answered, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1.1 4\d\d /)
  await once(answered.resume(), 'close')
  for (let attempt = 0; attempt < 20; attempt++) {
    const reset = connect(port)
    await once(reset, 'connect')
    reset.write(request, 'latin1')
    reset.resetAndDestroy()
  }
  const client = RawClient.entering(url)
  await client.welcome()
  await client.close()
  await until(() => server.stats.connections === 0)
})
