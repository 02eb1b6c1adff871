import { runInNewContext } from 'node:vm'
import { describe, expect } from 'vitest'
import { WebSocket } from 'ws'
import { HeartlineError, type Data } from '../../src/websocket/index.ts'
import { heartbeat, never, quickly, test } from './scene.ts'

const texts = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `message ${from + index}`)

describe('what is sent without a connection', { concurrent: true }, () => {
  test('before the first open arrives first and in order', async ({ scene }) => {
    const server = await scene.server()
    const { socket } = scene.reconnectingWebSocket(server.url)
    socket.addEventListener('statechange', ({ state }) => state === 'open' && socket.send('at statechange'))
    socket.addEventListener('open', () => socket.send('at open'))
    for (const text of texts(5)) socket.send(text)
    expect(socket.bufferedAmount).toBe(5 * 'message 0'.length)
    await scene.journal.until('all', () => server.received.length === 7)
    expect(server.received).toEqual([...texts(5), 'at statechange', 'at open'])
  })

  test('between two connections arrives first and in order on the next one', async ({ scene }) => {
    const server = await scene.server()
    const { socket } = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => socket.readyState === 1)
    server.last!.socket.terminate()
    await scene.journal.until('waiting', () => socket.state === 'waiting')
    socket.send('while waiting')
    await scene.journal.until('connecting', () => socket.state === 'connecting')
    socket.send('while connecting')
    socket.addEventListener('open', () => socket.send('when open'))
    await scene.journal.until('all', () => server.received.length === 3)
    expect(server.connections[1]!.received).toEqual(['while waiting', 'while connecting', 'when open'])
  })

  test.for([
    ['maxMessages', { maxMessages: 3 }],
    ['maxBytes', { maxBytes: 29 }],
  ] as const)('and is more than %s makes send() throw, and what was taken arrives', async ([, outbox], { scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { outbox })
    for (const text of texts(3)) client.socket.send(text)
    expect(() => client.socket.send('one too many')).toThrow(
      expect.objectContaining({ name: 'HeartlineError', code: 'ERR_OUTBOX_FULL' }),
    )
    expect(() => client.socket.send('one too many')).toThrow(HeartlineError)
    await scene.journal.until('open', () => client.opens)
    client.socket.send('room again')
    await scene.journal.until('all', () => server.received.length === 4)
    expect(server.received).toEqual([...texts(3), 'room again'])
    expect(client.drops).toEqual([])
  })

  test.for([
    ['maxMessages', { maxMessages: 3 }],
    ['maxBytes', { maxBytes: 29 }],
  ] as const)(
    'and is more than %s takes the place of the oldest with dropOldest, which is told',
    async ([, limit], { scene }) => {
      const server = await scene.server()
      const client = scene.reconnectingWebSocket(server.url, { outbox: { ...limit, onOverflow: 'dropOldest' } })
      for (const text of texts(5)) client.socket.send(text)
      expect(client.drops).toMatchObject([
        { data: 'message 0', reason: 'overflow' },
        { data: 'message 1', reason: 'overflow' },
      ])
      await scene.journal.until('all', () => server.received.length === 3)
      expect(server.received).toEqual(texts(3, 2))
    },
  )

  test('and is larger than maxBytes is refused with dropOldest too, and nothing is dropped for it', async ({
    scene,
  }) => {
    const outbox = { maxBytes: 20, onOverflow: 'dropOldest' } as const
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { outbox, reconnect: never })
    client.socket.send('small')
    expect(() => client.socket.send('x'.repeat(21))).toThrow(expect.objectContaining({ code: 'ERR_OUTBOX_FULL' }))
    expect(client.drops).toEqual([])
    expect(client.socket.bufferedAmount).toBe(5)
  })

  test('is a snapshot: what becomes of the buffer later changes nothing', async ({ scene }) => {
    const server = await scene.server()
    const { socket } = scene.reconnectingWebSocket(server.url)
    const bytes = new Uint8Array([1, 2, 3, 4])
    socket.send(bytes)
    socket.send(bytes.buffer)
    socket.send(new DataView(bytes.buffer, 1, 2))
    socket.send(Buffer.from(bytes.buffer, 2))
    bytes.fill(9)
    socket.send(new Blob(['blob']))
    socket.send('text')
    socket.send(42 as unknown as Data)
    await scene.journal.until('all', () => server.received.length === 7)
    expect(server.received.map((data) => (typeof data === 'string' ? data : [...data]))).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [2, 3],
      [3, 4],
      [...Buffer.from('blob')],
      'text',
      '42',
    ])
  })

  test('stays binary when the buffer is of another realm, such as an iframe', async ({ scene }) => {
    const server = await scene.server()
    const { socket } = scene.reconnectingWebSocket(server.url)
    socket.send(runInNewContext('new Uint8Array([1, 2]).buffer'))
    socket.send(runInNewContext('new Uint8Array([3, 4])'))
    await scene.journal.until('both', () => server.received.length === 2)
    expect(server.received).toEqual([Buffer.from([1, 2]), Buffer.from([3, 4])])
  })

  test('is handed back when the application closes', async ({ scene }) => {
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { reconnect: never })
    for (const text of texts(3)) client.socket.send(text)
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    client.socket.close()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.states.at(-1)).toMatchObject({ state: 'closed', unsent: texts(3), inDoubt: [] })
    expect(client.socket.bufferedAmount).toBe(0)
  })

  test('is handed back when the attempts are used up', async ({ scene }) => {
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { reconnect: { ...quickly, maxAttempts: 2 } })
    for (const text of texts(3)) client.socket.send(text)
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.states.flatMap(({ unsent }) => unsent)).toEqual(texts(3))
  })
})

test('what is sent after close() is dropped, which is told and counted as buffered', async ({ scene }) => {
  const server = await scene.server()
  const client = scene.reconnectingWebSocket(server.url)
  await scene.journal.until('open', () => client.opens)
  client.socket.close()
  client.socket.send('while closing')
  await scene.journal.until('closed', () => client.socket.state === 'closed')
  client.socket.send(new Uint8Array(7))
  expect(client.drops).toMatchObject([
    { data: 'while closing', reason: 'closed' },
    { data: new Uint8Array(7), reason: 'closed' },
  ])
  expect(client.socket.bufferedAmount).toBe('while closing'.length + 7)
  expect(server.received).toEqual([])
})

describe('what went into a connection that died', { concurrent: true }, () => {
  test('is reported with isReply unless a later heartbeat was answered (field notes: 40 of 40 messages lost, nobody told)', async ({
    scene,
  }) => {
    // Behind each reply comes a message, so that the test knows when the client has got the reply.
    const server = await scene.server({ connected: ({ socket }) => socket.on('message', () => socket.send('heard')) })
    const proxy = await scene.proxy(server)
    const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? proxy.url : server.url))
    await scene.journal.until('open', () => client.opens === 1)
    for (const text of texts(10)) client.socket.send(text)
    // The reply proves the first ten. The server gets the eleventh, and nothing proves it.
    await scene.journal.until('the reply to a heartbeat', () => client.messages.length === 11)
    client.socket.send('arrives')
    await scene.journal.until('message', () => server.received.length === 11)
    proxy.blackHole()
    for (const text of texts(40, 100)) client.socket.send(text)
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.inDoubt).toEqual(['arrives', ...texts(40, 100)])
    expect(client.states.find(({ ending }) => ending)).toMatchObject({
      ending: { code: 4701 },
      untracked: 0,
      unsent: [],
    })
    expect(server.received).toEqual([...texts(10), 'arrives'])
  })

  test('is reported with isReply when it was sent between a heartbeat and its reply', async ({ scene }) => {
    // The reply waits for the message that is sent in between; behind it comes a message to tell the test.
    const server = await scene.server({
      reply: (text) => (text === 'between' ? 'pong' : undefined),
      connected: ({ socket }) => socket.on('message', () => socket.send('heard')),
    })
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => client.opens === 1)
    client.socket.send('before')
    await scene.journal.until('a heartbeat', () => server.heartbeats === 1)
    client.socket.send('between')
    await scene.journal.until('the reply', () => client.messages.length === 3)
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.inDoubt).toEqual(['between'])
  })

  test('is reported without isReply unless any frame came later', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const { isReply: _, ...probing } = heartbeat
    const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? proxy.url : server.url), {
      heartbeat: probing,
    })
    await scene.journal.until('open', () => client.opens === 1)
    client.socket.send('before')
    await scene.journal.until('a frame', () => client.messages.length === 1)
    proxy.blackHole()
    for (const text of texts(40)) client.socket.send(text)
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.inDoubt).toEqual(texts(40))
  })

  test('is sent once more with resend, before everything newer, in order', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? proxy.url : server.url), {
      outbox: { inDoubt: 'resend' },
    })
    await scene.journal.until('open', () => client.opens === 1)
    client.socket.send('arrives twice')
    await scene.journal.until('message', () => server.received.length === 1)
    proxy.blackHole()
    for (const text of texts(40)) client.socket.send(text)
    client.socket.addEventListener('statechange', ({ state }) => state === 'waiting' && client.socket.send('newer'))
    client.socket.addEventListener('open', () => client.socket.send('newest'))
    await scene.journal.until('the newest', () => server.received.at(-1) === 'newest')
    expect(server.connections[1]!.received).toEqual(['arrives twice', ...texts(40), 'newer', 'newest'])
    expect(client.inDoubt).toEqual([])
  })

  test('is sent once more as often as it takes (field notes: MQTT.js#2015)', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { outbox: { inDoubt: 'resend' } })
    for (const text of texts(5)) client.socket.send(text)
    for (let cuts = 1; cuts <= 3; cuts++) {
      await scene.journal.until(`all on connection ${cuts}`, () => server.connections[cuts - 1]?.received.length === 5)
      server.last!.socket.terminate()
    }
    await scene.journal.until('all on connection 4', () => server.connections[3]?.received.length === 5)
    for (const { received } of server.connections) expect(received).toEqual(texts(5))
  })

  test('is a snapshot too', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => client.opens === 1)
    const bytes = new Uint8Array([1, 2, 3])
    client.socket.send(bytes)
    bytes.fill(9)
    server.last!.socket.terminate()
    await scene.journal.until('waiting', () => client.states.some(({ ending }) => ending))
    expect(client.inDoubt).toEqual([new Uint8Array([1, 2, 3])])
  })

  test('is all accounted for when only client to server is silent and the server streams', async ({ scene }) => {
    let isStreaming = true
    const server = await scene.server({
      connected({ socket }) {
        const streaming = setInterval(() => isStreaming && socket.send('news'), 10)
        socket.on('close', () => clearInterval(streaming))
      },
    })
    const proxy = await scene.proxy(server)
    const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? proxy.url : server.url), {
      outbox: { maxMessages: 100, onOverflow: 'dropOldest' },
    })
    await scene.journal.until('open', () => client.opens === 1)
    const sent: string[] = []
    const talking = setInterval(() => client.socket.send(sent[sent.push(`message ${sent.length}`) - 1]!), 20)
    scene.atEnd(() => clearInterval(talking))
    await scene.journal.until('two heartbeats', () => server.heartbeats === 2)
    proxy.blackHole('clientToServer')
    const gone = sent.length
    await scene.journal.until(
      'news while nothing arrives',
      () => sent.length > gone + 30 && client.messages.length > 100,
    )
    expect(client.closes).toEqual([])
    isStreaming = false
    await scene.journal.until('open again', () => client.opens === 2)
    await scene.journal.until('messages on the second connection', () => server.connections[1]!.received.length > 5)
    clearInterval(talking)
    client.socket.close()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    await scene.journal.until('the server to see it', () => server.connections[1]!.closed !== undefined)
    const told = new Set([
      ...server.received,
      ...client.inDoubt,
      ...client.states.flatMap(({ unsent }) => unsent),
      ...client.drops.map(({ data }) => data),
    ])
    expect(sent.filter((text) => !told.has(text))).toEqual([])
    expect(client.states.map(({ untracked }) => untracked)).toEqual(client.states.map(() => 0))
    expect(client.inDoubt.length).toBeGreaterThan(30)
  })

  test('is kept up to the limits, and the rest is counted', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { outbox: { maxMessages: 4 } })
    await scene.journal.until('open', () => client.opens === 1)
    for (const text of texts(10)) client.socket.send(text)
    server.last!.socket.terminate()
    await scene.journal.until('the end', () => client.states.some(({ ending }) => ending))
    expect(client.states.find(({ ending }) => ending)).toMatchObject({ inDoubt: texts(4, 6), untracked: 6 })
  })

  test('is in no doubt when the server has answered the close frame of close()', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => client.opens === 1)
    for (const text of texts(5)) client.socket.send(text)
    client.socket.close()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.states.at(-1)).toMatchObject({
      ending: { wasClean: true, cause: 'application' },
      inDoubt: [],
      untracked: 0,
    })
    expect(server.received).toEqual(texts(5))
  })

  test('is in doubt when close() got no answer', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const client = scene.reconnectingWebSocket(proxy.url)
    await scene.journal.until('open', () => client.opens === 1)
    proxy.blackHole()
    for (const text of texts(5)) client.socket.send(text)
    client.socket.close()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.states.at(-1)).toMatchObject({ ending: { code: 1006, reason: 'closing timeout' }, inDoubt: texts(5) })
  })
})

describe('while the server has begun to close', { concurrent: true }, () => {
  /** A `ws` class that tells when one of its sockets has got a close frame: it then answers by calling `close()`. */
  function tellingWebSocket(closing: () => void) {
    return class extends WebSocket {
      override close(code?: number, reason?: string) {
        super.close(code, reason)
        closing()
      }
    }
  }

  test.for(['throw', 'dropOldest'] as const)(
    'what is sent is held, and messages that were sent before take no room from it: %s',
    async (onOverflow, { scene }) => {
      const server = await scene.server()
      const proxy = await scene.proxy(server)
      let isClosing = false
      const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? proxy.url : server.url), {
        WebSocket: tellingWebSocket(() => {
          isClosing = true
          scene.journal.note('closing')
        }),
        outbox: { maxMessages: 3, onOverflow },
      })
      await scene.journal.until('open', () => client.opens === 1)
      client.socket.send('sent 1')
      client.socket.send('sent 2')
      await scene.journal.until('both', () => server.received.length === 2)
      // The answer to the close frame does not get through, so the transport stays CLOSING.
      proxy.stall('clientToServer')
      server.last!.tcp.write(Buffer.from([0x88, 2, 1001 >> 8, 1001 & 255]))
      await scene.journal.until('closing', () => isClosing)
      client.socket.send('held 1')
      client.socket.send('held 2')
      proxy.reset()
      await scene.journal.until('the held ones', () => server.connections[1]?.received.length === 2)
      expect(server.connections[1]!.received).toEqual(['held 1', 'held 2'])
      expect(client.drops).toEqual([])
    },
  )
})
