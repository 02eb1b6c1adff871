import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { connect } from '../../src/client/node.ts'
import type { Ending, Session } from '../../src/client/index.ts'
import { encodeWelcome } from '../../src/protocol/encode.ts'
import type { Welcome } from '../../src/protocol/frame.ts'
import { PROTOCOL } from '../../src/protocol/limits.ts'

const welcome: Welcome = {
  session: 's',
  token: 't',
  generation: 'g',
  resumed: false,
  received: 0,
  accepted: 0,
  last: 0,
  window: { messages: 100, bytes: 100_000 },
  maxMessageBytes: 100_000,
  ttlMs: 1_000,
}

/** A server that does whatever the test wants, and a client of it. */
async function hostileServer(act: (socket: WebSocket, attempt: number) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => PROTOCOL })
  let attempts = 0
  server.on('connection', (socket) => act(socket, attempts++))
  await once(server, 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    clients: server.clients,
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate()
      server.close()
      await once(server, 'close')
    },
  }
}

function endingOf(session: Session): Promise<Ending> {
  return new Promise((resolve) => session.on('state', ({ ending }) => ending && resolve(ending)))
}

test('a client whose answers pile up, since the server does not read them, gives no more of them', async () => {
  const heard: string[] = []
  await using server = await hostileServer((socket) => {
    socket.on('message', (data) => heard.push(String(data)))
    socket.send(encodeWelcome(welcome))
    for (let count = 0; count < 1_000; count++) socket.send('P')
    socket.send('D1,0 x')
  })
  class Full extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      Object.defineProperty(this, 'bufferedAmount', { value: 65_537 })
    }
  }
  await using session = connect(server.url, { WebSocket: Full, closeTimeoutMs: 0 })
  await new Promise((resolve) => void session.on('message', resolve))
  while (!heard.includes('A1')) await new Promise((resolve) => void setImmediate(resolve))
  expect(heard).not.toContain('Q')
})

test.each([
  ['holes', (offset: number) => `G {"from":${offset},"to":${offset},"reason":"overflow"}`],
  ['messages', (offset: number) => `D${offset},0 `],
])('more %s than the window ends the connection with 4904, though nobody takes them', async (_, frame) => {
  await using server = await hostileServer((socket) => {
    socket.send(encodeWelcome(welcome))
    socket.send('D1,0 nobody listens')
    for (let offset = 2; offset < 5_000; offset++) socket.send(frame(offset))
  })
  await using session = connect(server.url)
  expect(await endingOf(session)).toMatchObject({ code: 4904 })
})

test('a server with a new session every time does not make its client hold a window of each', async () => {
  await using server = await hostileServer((socket, attempt) => {
    socket.send(encodeWelcome({ ...welcome, session: `session ${attempt}` }))
    socket.send('D1,0 nobody listens')
    socket.on('message', (data) => String(data) === 'Q' && socket.terminate())
    socket.send('P')
  })
  await using session = connect(server.url, { closeTimeoutMs: 0, reconnect: { minDelayMs: 1, maxDelayMs: 2 } })
  await new Promise<void>((resolve) => session.on('state', ({ ending }) => ending?.code === 4803 && resolve()))
  expect(session.id).toBe('session 4')
  // When the application takes what waits, it goes on.
  const seen: string[] = []
  session.on('message', ({ id }) => void seen.push(id))
  await new Promise<void>((resolve) => session.on('message', ({ id }) => id.startsWith('session 9') && resolve()))
  expect(seen.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((number) => `session ${number}:1`))
})

test('a message of the server that is too large does not get into memory', async () => {
  await using server = await hostileServer((socket) => {
    socket.send(encodeWelcome(welcome))
    socket.send(`D1,0 ${'x'.repeat(2_000_000)}`)
  })
  await using session = connect(server.url, { maxMessageBytes: 1_000, closeTimeoutMs: 0 })
  // It is `ws` that ends this one, by the length in its header.
  expect((await endingOf(session)).code).toBe(1006)
})

test('a REJECT with a code that may not be sent leaves no connection behind', async () => {
  await using server = await hostileServer((socket, attempt) =>
    socket.send(
      attempt < 5
        ? `R {"code":${[1006, 99_999, 0, 4_803, 1_005][attempt]},"reason":"${'x'.repeat(500)}"}`
        : encodeWelcome(welcome),
    ),
  )
  await using session = connect(server.url, {
    closeTimeoutMs: 0,
    reconnect: { minDelayMs: 1, maxDelayMs: 5, shouldReconnect: () => true },
  })
  await new Promise<void>((resolve) => session.on('state', ({ state }) => state === 'open' && resolve()))
  while (server.clients.size > 1) await new Promise((resolve) => void setImmediate(resolve))
})

test('a server that never answers, and one that never says WELCOME, cost an attempt its time', async () => {
  await using server = await hostileServer(() => {})
  await using session = connect(server.url, { connectTimeoutMs: 200, closeTimeoutMs: 0 })
  expect(await endingOf(session)).toMatchObject({ code: 4801, cause: 'connectTimeout' })
})

test('a redirect is not followed: the HELLO goes to nobody else', async () => {
  const asked: string[] = []
  const other = createServer((request, response) => {
    asked.push(request.url!)
    response.end()
  })
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const { port } = other.address() as AddressInfo
  const redirecting = createServer()
  redirecting.on('upgrade', (_, socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${port}/stolen\r\nContent-Length: 0\r\n\r\n`),
  )
  await once(redirecting.listen(0, '127.0.0.1'), 'listening')
  {
    await using session = connect(`ws://127.0.0.1:${(redirecting.address() as AddressInfo).port}`, { auth: 'secret' })
    expect(await endingOf(session)).toMatchObject({ cause: 'refused' })
  }
  expect(asked).toEqual([])
  redirecting.close()
  other.close()
})
