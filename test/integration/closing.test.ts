import { afterEach, describe, expect, vi } from 'vitest'
import type { ReconnectingWebSocket } from '../../src/websocket/index.ts'
import { countedWebSocket } from './counted-web-socket.ts'
import { deferred } from './deferred.ts'
import { never, quickly, test, type Observed, type Scene } from './scene.ts'

/** A closed socket stays closed: other clients try again in that time, this one does not. */
async function expectFinal(
  scene: Scene,
  client: Observed<ReconnectingWebSocket>,
  count: { made: number },
): Promise<void> {
  await scene.journal.until('closed', () => client.socket.state === 'closed')
  const { made } = count
  const closes = client.closes.length
  await scene.othersRetry()
  expect(client.socket).toMatchObject({ state: 'closed', readyState: 3 })
  expect(count.made).toBe(made)
  expect(client.closes).toHaveLength(closes)
}

describe('close() is final', { concurrent: true }, () => {
  test('while open, with code and reason on the wire', async ({ scene }) => {
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    await scene.journal.until('open', () => client.opens)
    client.socket.close(4000, 'done')
    expect(client.socket.readyState).toBe(2)
    await expectFinal(scene, client, count)
    expect(client.closes[0]).toMatchObject({ code: 4000, reason: 'done', wasClean: true })
    expect(server.last!.closed).toBe(4000)
    expect(count.made).toBe(1)
  })

  test('while connecting, does not throw, and ends the attempt (field notes: close() while CONNECTING throws)', async ({
    scene,
  }) => {
    const mute = await scene.muteServer()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(mute.url, { WebSocket })
    client.socket.close()
    expect(client.socket).toMatchObject({ readyState: 2, state: 'closing' })
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
    expect(client.opens).toBe(0)
    expect(client.closes).toHaveLength(1)
    expect(client.closes[0]).toMatchObject({ wasClean: false })
    await scene.journal.until('no connection', () => mute.sockets.every(({ closed }) => closed))
  })

  test('while connecting, once the server has accepted the TCP connection', async ({ scene }) => {
    const mute = await scene.muteServer()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(mute.url, { WebSocket })
    await scene.journal.until('a TCP connection', () => mute.sockets.length)
    client.socket.close(1000)
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
    await scene.journal.until('no connection', () => mute.sockets.every(({ closed }) => closed))
  })

  test('while connecting, the same for HeartbeatWebSocket', async ({ scene }) => {
    const mute = await scene.muteServer()
    const client = scene.heartbeatWebSocket(mute.url)
    await scene.journal.until('a TCP connection', () => mute.sockets.length)
    client.socket.close()
    expect(client.socket.readyState).toBe(2)
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code: 1006, wasClean: false })
    await scene.journal.until('no connection', () => mute.sockets.every(({ closed }) => closed))
  })

  test('while a provider is being asked', async ({ scene }) => {
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const asked = deferred()
    const client = scene.reconnectingWebSocket(() => asked.promise, { WebSocket })
    client.socket.close(4001, 'changed my mind')
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    asked.resolve(server.url)
    await expectFinal(scene, client, count)
    expect(count.made).toBe(0)
    expect(client.closes).toMatchObject([{ code: 4001, reason: 'changed my mind', wasClean: false }])
  })

  test('between two attempts, without waiting for the next one', async ({ scene }) => {
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { WebSocket, reconnect: never })
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    client.socket.close()
    expect(client.socket).toMatchObject({ readyState: 2, state: 'closing', retryInMs: undefined })
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
    expect(client.states.at(-1)!.ending).toMatchObject({ cause: 'application', code: 1005, wasClean: false })
  })

  test('a second time changes nothing', async ({ scene }) => {
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    await scene.journal.until('open', () => client.opens)
    client.socket.close(4000)
    client.socket.close(4001)
    await expectFinal(scene, client, count)
    client.socket.close(4002)
    expect(client.closes.map(({ code }) => code)).toEqual([4000])
    expect(server.last!.closed).toBe(4000)
  })

  test.for(['open', 'message', 'error', 'close'] as const)('from inside a listener of %s', async (type, { scene }) => {
    const server = await scene.server({
      connected({ socket, tcp }) {
        socket.send('hello')
        // An invalid frame: `ws` fires error and then close.
        if (type === 'error' || type === 'close') tcp.write(Buffer.from([0xf1, 0]))
      },
    })
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    client.socket.addEventListener(type, () => client.socket.close())
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
  })

  test.for(['open', 'waiting', 'connecting', 'closing'] as const)(
    'from inside a listener of statechange: %s',
    async (state, { scene }) => {
      const server = await scene.server()
      const { count, WebSocket } = countedWebSocket()
      const client = scene.reconnectingWebSocket(server.url, { WebSocket })
      client.socket.addEventListener('statechange', (event) => event.state === state && client.socket.close())
      await scene.journal.until('open', () => client.opens || client.socket.state === 'closed')
      if (state === 'closing') client.socket.close()
      else server.last?.socket.terminate()
      await expectFinal(scene, client, count)
      expect(count.made).toBe(1)
    },
  )

  test.for(['url', 'protocols', 'shouldReconnect', 'isReply', 'message'] as const)(
    'from inside %s',
    async (place, { scene }) => {
      const server = await scene.server()
      const { count, WebSocket } = countedWebSocket()
      let isClosing = false
      const closeIn = <T>(here: typeof place, result: T): T => {
        if (here === place && (isClosing || here === 'isReply' || here === 'message')) client.socket.close()
        return result
      }
      const client: Observed<ReconnectingWebSocket> = scene.reconnectingWebSocket(
        () => closeIn('url', server.url),
        {
          WebSocket,
          heartbeat: {
            message: () => closeIn('message', 'ping'),
            isReply: (data) => closeIn('isReply', data === 'pong'),
            intervalMs: 100,
            timeoutMs: 300,
          },
          reconnect: { ...quickly, shouldReconnect: () => closeIn('shouldReconnect', true) },
        },
        () => closeIn('protocols', undefined),
      )
      await scene.journal.until('open', () => client.opens)
      isClosing = true
      if (place !== 'isReply' && place !== 'message') server.last!.socket.terminate()
      await expectFinal(scene, client, count)
      expect(count.made).toBe(1)
    },
  )

  test('and nothing is delivered after it, nor reported as an error', async ({ scene }) => {
    const server = await scene.server({
      connected: ({ socket }) => ['one', 'two', 'three'].forEach((text) => socket.send(text)),
    })
    const client = scene.reconnectingWebSocket(server.url)
    client.socket.onmessage = () => client.socket.close()
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    expect(client.messages).toEqual(['one'])
    expect(client.errors).toEqual([])
  })
})

describe('signals of the page', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  /** Gives the process what a page has, and returns how to wake it up. */
  function stubPage() {
    const page = new EventTarget()
    const document = Object.assign(new EventTarget(), { hidden: false })
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
    vi.stubGlobal('document', document)
    return {
      wake() {
        page.dispatchEvent(new Event('online'))
        page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
        document.dispatchEvent(new Event('visibilitychange'))
        document.dispatchEvent(new Event('resume'))
      },
      hide: () => page.dispatchEvent(new Event('pagehide')),
    }
  }

  test('do not reopen what was closed (field notes: phoenix#6578)', async ({ scene }) => {
    const page = stubPage()
    const server = await scene.server()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(server.url, { WebSocket })
    await scene.journal.until('open', () => client.opens)
    client.socket.close()
    page.wake()
    expect(client.socket.state).toBe('closing')
    await scene.journal.until('closed', () => client.socket.state === 'closed')
    page.hide()
    page.wake()
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
  })

  test('do not reopen what was closed between two attempts', async ({ scene }) => {
    const page = stubPage()
    const { count, WebSocket } = countedWebSocket()
    const client = scene.reconnectingWebSocket(await scene.deadUrl(), { WebSocket, reconnect: never })
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    client.socket.close()
    page.wake()
    await expectFinal(scene, client, count)
    expect(count.made).toBe(1)
  })

  test('begin the next attempt early, one second after the one before at the earliest', async ({ scene }) => {
    const page = stubPage()
    const server = await scene.server()
    const startMs = performance.now()
    const client = scene.reconnectingWebSocket(
      ({ reason }) => (reason === 'initial' ? 'ws://127.0.0.1:1/' : server.url),
      { reconnect: never },
    )
    await scene.journal.until('waiting', () => client.socket.state === 'waiting')
    page.wake()
    page.wake()
    await scene.journal.until('open', () => client.opens)
    expect(performance.now() - startMs).toBeGreaterThan(999)
    expect(server.connections).toHaveLength(1)
  })

  test('send a heartbeat at once, and a dead path is found without waiting for the interval', async ({ scene }) => {
    const page = stubPage()
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const heartbeat = { message: 'ping', intervalMs: 60_000, timeoutMs: 300 }
    const client = scene.heartbeatWebSocket(proxy.url, { heartbeat })
    await scene.journal.until('open', () => client.opens)
    page.wake()
    await scene.journal.until('a heartbeat', () => client.messages.length === 1)
    proxy.blackHole()
    page.wake()
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code: 4701 })
  })

  test('a page that goes away leaves, and comes back when the page does', async ({ scene }) => {
    const page = stubPage()
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url)
    await scene.journal.until('open', () => client.opens === 1)
    page.hide()
    expect(client.socket.state).toBe('suspended')
    expect(client.closes).toMatchObject([{ code: 4702 }])
    await scene.journal.until('the server to see it', () => !server.live.length)
    page.wake()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(server.maxLive).toBe(1)
  })
})
