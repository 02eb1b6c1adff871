import { describe, expect } from 'vitest'
import type { ReconnectingOptions } from '../../src/websocket/index.ts'
import { countedWebSocket } from './counted-web-socket.ts'
import { heartbeat, never, quickly, SLACK_MS, test } from './scene.ts'

describe('reconnects', { concurrent: true }, () => {
  test('after a restart of the server, with one connection at a time', async ({ scene }) => {
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    await scene.journal.until('open', () => client.opens === 1)
    await server.stop()
    await scene.journal.until('a failed attempt', () => client.closes.length > 2)
    await server.listen()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(server.connections).toHaveLength(2)
    expect(server.maxLive).toBe(1)
    expect(count.maxLive).toBe(1)
    expect(client.socket).toMatchObject({ state: 'open', readyState: 1, url: server.url })
  })

  test('as often as the connection is cut (field notes: reconnects exactly once)', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    for (let cuts = 1; cuts <= 6; cuts++) {
      await scene.journal.until(`open ${cuts}`, () => client.opens === cuts)
      server.last!.socket.terminate()
    }
    await scene.journal.until('open 7', () => client.opens === 7)
    expect(client.closes.map(({ code }) => code)).toEqual(Array(6).fill(1006))
    expect(server.connections).toHaveLength(7)
    expect(server.maxLive).toBe(1)
  })

  test('once when both error and close fire (field notes: onerror and onclose both reconnecting)', async ({
    scene,
  }) => {
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    for (let cuts = 1; cuts <= 3; cuts++) {
      await scene.journal.until(`open ${cuts}`, () => client.opens === cuts)
      // A frame with reserved bits: `ws` fires error and then close.
      server.last!.tcp.write(Buffer.from([0xf1, 0]))
    }
    await scene.journal.until('open 4', () => client.opens === 4)
    expect(client.errors).toHaveLength(3)
    expect(client.closes).toHaveLength(3)
    expect(count).toMatchObject({ made: 4, maxLive: 1 })
    expect(server.maxLive).toBe(1)
  })

  test('after a reset and after an orderly close of the path', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const client = scene.reconnectingWebSocket(proxy.url)
    await scene.journal.until('open', () => client.opens === 1)
    proxy.reset()
    await scene.journal.until('open 2', () => client.opens === 2)
    proxy.end()
    await scene.journal.until('open 3', () => client.opens === 3)
    expect(client.closes.map(({ code }) => code)).toEqual([1006, 1006])
  })

  test('at once the first time after a death that nobody else saw', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const url = () => (proxy.state.clientToServer === 'open' ? proxy.url : server.url)
    const client = scene.reconnectingWebSocket(url, { reconnect: never })
    await scene.journal.until('open', () => client.opens === 1)
    proxy.blackHole()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.closes.map(({ code }) => code)).toEqual([4701])
    expect(client.states.find(({ state }) => state === 'waiting')!.retryInMs).toBeLessThan(1)
  })

  test('first without a delay (field notes: reconnecting-websocket#91)', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { reconnect: never })
    await scene.journal.until('open', () => client.opens === 1)
    expect(client.closes).toEqual([])
  })

  test('and the event handlers set once see every connection', async ({ scene }) => {
    const server = await scene.server()
    const { socket } = scene.reconnectingWebSocket(server.url)
    const seen: string[] = []
    for (const type of ['open', 'close', 'statechange'] as const) {
      socket[`on${type}`] = (event: Event) => {
        seen.push(event.type === 'statechange' ? (event as Event & { state: string }).state : event.type)
        scene.journal.note(`handler ${type}`)
      }
    }
    await scene.journal.until('open', () => seen.length === 2)
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => seen.length === 7)
    expect(seen).toEqual(['open', 'open', 'waiting', 'close', 'connecting', 'open', 'open'])
  })

  test('with the binaryType that was set before', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    client.socket.binaryType = 'arraybuffer'
    await scene.journal.until('open', () => client.opens === 1)
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => client.opens === 2)
    server.last!.socket.send(Buffer.from([1, 2, 3]))
    await scene.journal.until('a message', () => client.messages.length)
    expect(client.messages[0]).toBeInstanceOf(ArrayBuffer)
  })
})

describe('an attempt', { concurrent: true }, () => {
  test('that hangs is given up after connectTimeoutMs and closed before the next one (field notes: a CONNECTING socket that hangs)', async ({
    scene,
  }) => {
    const mute = await scene.muteServer()
    const server = await scene.server()
    let hangMs = performance.now()
    const url = ({ reason }: { reason: string }) => (reason === 'initial' ? mute.url : server.url)
    const client = scene.reconnectingWebSocket(url, { connectTimeoutMs: 300 })
    await scene.journal.until('close', () => client.closes.length)
    hangMs = performance.now() - hangMs
    expect(client.closes[0]).toMatchObject({ code: 4801, reason: 'connect timeout', wasClean: false })
    expect(client.states.find(({ ending }) => ending)!.ending).toMatchObject({ cause: 'connectTimeout' })
    expect(hangMs).toBeGreaterThan(299)
    expect(hangMs).toBeLessThan(300 + SLACK_MS)
    await scene.journal.until('the hanging socket to close', () => mute.sockets.every(({ closed }) => closed))
    await scene.journal.until('open', () => client.opens === 1)
    expect(mute.sockets).toHaveLength(1)
  })

  test('that is refused is tried again with delays below minDelayMs · 2ⁿ and maxDelayMs', async ({ scene }) => {
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { reconnect: { minDelayMs: 4, maxDelayMs: 20 } })
    await scene.journal.until('ten waits', () => client.states.filter(({ state }) => state === 'waiting').length >= 10)
    const waits = client.states.filter(({ state }) => state === 'waiting').slice(0, 10)
    const caps = [4, 8, 16, 20, 20, 20, 20, 20, 20, 20]
    waits.forEach(({ retryInMs, attempts }, index) => {
      expect(retryInMs).toBeLessThanOrEqual(caps[index]!)
      expect(attempts).toBe(index + 1)
    })
    expect(new Set(waits.map(({ retryInMs }) => retryInMs)).size).toBeGreaterThan(5)
    expect(client.states.flatMap(({ ending }) => ending ?? [])[0]).toMatchObject({ cause: 'refused', code: 1006 })
  })

  test.for([
    [0, 1],
    [1, 2],
    [3, 4],
  ] as const)('that fails is repeated at most maxAttempts times: %i', async ([maxAttempts, made], { scene }) => {
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), {
      WebSocket,
      reconnect: { ...quickly, maxAttempts },
    })
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(count.made).toBe(made)
    expect(client.socket.readyState).toBe(3)
    expect(client.closes).toHaveLength(made)
    expect(client.states.at(-1)).toMatchObject({ state: 'closed', retryInMs: undefined })
  })
})

describe('whether to reconnect', { concurrent: true }, () => {
  test.for([1000, 1003, 1007, 1008, 1010, 4900, 4950, 4999])('no after close code %i', async (code, { scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => client.opens)
    server.last!.socket.close(code, 'enough')
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code, reason: 'enough', wasClean: true })
    expect(client.socket).toMatchObject({ state: 'closed', readyState: 3 })
    expect(client.states.at(-1)!.ending).toMatchObject({ cause: 'closed', code })
  })

  test('yes after every other close code', async ({ scene }) => {
    const codes = [1001, 1011, 1012, 1013, 1014, 3000, 4000, 4701, 4899]
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    for (const [index, code] of codes.entries()) {
      await scene.journal.until(`open ${index + 1}`, () => client.opens === index + 1)
      server.last!.socket.close(code)
    }
    await scene.journal.until('open at the end', () => client.opens === codes.length + 1)
    expect(client.closes.map(({ code }) => code)).toEqual(codes)
  })

  test('is what shouldReconnect says, which is told how it ended', async ({ scene }) => {
    const server = await scene.server()
    const endings: unknown[] = []
    const shouldReconnect = (ending: { code: number }) => {
      endings.push(ending)
      return ending.code !== 4321
    }
    const client = scene.reconnectingWebSocket(server.url, { reconnect: { ...quickly, shouldReconnect } })
    await scene.journal.until('open', () => client.opens === 1)
    server.last!.socket.close(1000, 'yet it comes back')
    await scene.journal.until('open again', () => client.opens === 2)
    server.last!.socket.close(4321)
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(endings).toEqual([
      { code: 1000, reason: 'yet it comes back', wasClean: true, cause: 'closed' },
      { code: 4321, reason: '', wasClean: true, cause: 'closed' },
    ])
  })
})

describe('the count of attempts', { concurrent: true }, () => {
  const reconnect: ReconnectingOptions['reconnect'] = { minDelayMs: 1, maxDelayMs: 1_000, stableAfterMs: 5_000 }

  test('is not reset by open: a server that accepts and closes is backed off from (field notes: destinygg/chat-gui PR #872)', async ({
    scene,
  }) => {
    const server = await scene.server({ connected: ({ socket }) => socket.close(1011) })
    const client = scene.reconnectingWebSocket(server.url, { reconnect })
    await scene.journal.until('seven waits', () => client.states.filter(({ state }) => state === 'waiting').length >= 7)
    const waits = client.states.filter(({ state }) => state === 'waiting').slice(0, 7)
    expect(waits.map(({ attempts }) => attempts)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(client.opens).toBeGreaterThanOrEqual(7)
  })

  test('begins anew after a connection that was up for stableAfterMs', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { reconnect: { ...reconnect, stableAfterMs: 300 } })
    for (let opens = 1; opens <= 3; opens++) {
      await scene.journal.until(`open ${opens}`, () => client.opens === opens)
      server.last!.socket.terminate()
    }
    await scene.journal.until('open 4', () => client.opens === 4)
    expect(client.socket.attempts).toBe(3)
    await scene.journal.until('a heartbeat, 400 ms after open', () => server.last!.heartbeats)
    server.last!.socket.terminate()
    await scene.journal.until('open 5', () => client.opens === 5)
    expect(client.socket.attempts).toBe(1)
  })
})

describe('statechange', { concurrent: true }, () => {
  test('tells state, ending, attempts and the time to the next attempt', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { reconnect: { minDelayMs: 100, maxDelayMs: 100 } })
    expect(client.socket.state).toBe('connecting')
    await scene.journal.until('open', () => client.opens)
    server.last!.socket.close(1012, 'restart')
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    expect(client.socket.readyState).toBe(0)
    expect(client.socket.retryInMs).toBeGreaterThanOrEqual(0)
    expect(client.socket.retryInMs).toBeLessThanOrEqual(100)
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.socket.retryInMs).toBeUndefined()
    client.socket.close(4000, 'bye')
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    const ended = { ending: { code: 1012, reason: 'restart', wasClean: true, cause: 'closed' }, attempts: 1 }
    const quiet = { ending: undefined, retryInMs: undefined, inDoubt: [], untracked: 0, unsent: [] }
    expect(client.states).toMatchObject([
      { ...quiet, state: 'open', attempts: 0 },
      { ...quiet, ...ended, state: 'waiting', retryInMs: expect.any(Number) },
      { ...quiet, state: 'connecting', attempts: 1 },
      { ...quiet, state: 'open', attempts: 1 },
      { ...quiet, state: 'closing' },
      { ...quiet, state: 'closed', ending: { code: 4000, reason: 'bye', wasClean: true, cause: 'application' } },
    ])
    expect(client.states[1]!.retryInMs).toBeLessThanOrEqual(100)
  })

  test('a server that never answers the heartbeat is named in the ending', async ({ scene }) => {
    const server = await scene.server({ reply: () => undefined })
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('close', () => client.closes.length)
    expect(client.states.flatMap(({ ending }) => ending ?? [])[0]).toEqual({
      code: 4701,
      reason: 'heartbeat never answered',
      wasClean: false,
      cause: 'heartbeat',
    })
  })

  test('latencyMs and silentForMs tell of the path', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    proxy.delay(50)
    const { socket } = scene.reconnectingWebSocket(proxy.url, { heartbeat: { ...heartbeat, timeoutMs: SLACK_MS } })
    expect(socket.silentForMs).toBeUndefined()
    await scene.journal.until('two heartbeats', () => server.heartbeats === 2)
    expect(socket.latencyMs).toBeGreaterThan(95)
    expect(socket.latencyMs).toBeLessThan(100 + SLACK_MS)
    expect(socket.silentForMs).toBeGreaterThan(0)
    expect(socket.silentForMs).toBeLessThan(400 + SLACK_MS)
  })
})

describe('a signal', { concurrent: true }, () => {
  test('that aborts closes for good', async ({ scene }) => {
    const server = await scene.server()
    const abort = new AbortController()
    const client = scene.reconnectingWebSocket(server.url, { signal: abort.signal })
    await scene.journal.until('open', () => client.opens)
    abort.abort()
    expect(client.socket.readyState).toBe(2)
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.closes).toHaveLength(1)
    await scene.journal.until('the server to see it', () => server.last!.closed !== undefined)
    expect(server.connections).toHaveLength(1)
  })

  test('that aborts between two attempts closes for good', async ({ scene }) => {
    const abort = new AbortController()
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { signal: abort.signal, reconnect: never })
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    abort.abort()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.socket.readyState).toBe(3)
  })

  test('that has aborted before makes the constructor throw its reason, and nothing is made', ({ scene }) => {
    const { count, WebSocket } = countedWebSocket()
    const reason = new Error('not any more')
    const options = { WebSocket, signal: AbortSignal.abort(reason) }
    expect(() => scene.reconnectingWebSocket('ws://127.0.0.1:1/', options)).toThrow(reason)
    expect(count.made).toBe(0)
  })
})
