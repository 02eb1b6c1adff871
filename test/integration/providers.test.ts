import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect } from 'vitest'
import { WebSocketServer } from 'ws'
import type { Provider, ProviderContext } from '../../src/websocket/index.ts'
import { deferred } from './deferred.ts'
import { test } from './scene.ts'

describe('a provider', { concurrent: true }, () => {
  test('is asked at every attempt, also an asynchronous one, and gets a fresh token in (field notes: supabase-js#2613)', async ({
    scene,
  }) => {
    const server = await scene.server()
    let token = 0
    const client = scene.reconnectingWebSocket(async () => {
      await new Promise(setImmediate)
      return new URL(`?token=${++token}`, server.url)
    })
    expect(client.socket.url).toBe('')
    for (let opens = 1; opens <= 3; opens++) {
      await scene.journal.until(`open ${opens}`, () => client.opens === opens)
      expect(client.socket.url).toBe(`${server.url}?token=${opens}`)
      server.last!.socket.terminate()
    }
    await scene.journal.until('open 4', () => client.opens === 4)
    expect(server.connections.map(({ path }) => path)).toEqual(['/?token=1', '/?token=2', '/?token=3', '/?token=4'])
  })

  test('is told why: initial, rejected after a refusal, reconnect after a connection', async ({ scene }) => {
    const server = await scene.server()
    const deadUrl = await scene.deadUrl()
    const contexts: ProviderContext[] = []
    const client = scene.reconnectingWebSocket((context) => {
      contexts.push(context)
      return contexts.length < 3 ? deadUrl : server.url
    })
    await scene.journal.until('open', () => client.opens === 1)
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(contexts).toEqual([
      { reason: 'initial', attempts: 0 },
      { reason: 'rejected', attempts: 1 },
      { reason: 'rejected', attempts: 2 },
      { reason: 'reconnect', attempts: 3 },
    ])
  })

  test('is told that the attempt before was rejected when the server answers 401', async ({ scene }) => {
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      verifyClient: ({ req }: { req: IncomingMessage }) => req.url === '/?token=fresh',
    })
    scene.atEnd(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    await once(server, 'listening')
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/?token=`
    const client = scene.reconnectingWebSocket(({ reason }) => url + (reason === 'rejected' ? 'fresh' : 'stale'))
    await scene.journal.until('open', () => client.opens)
    expect(client.closes).toMatchObject([{ code: 1006 }])
    expect(client.errors).toHaveLength(1)
    expect(client.errors[0]!.message).toContain('401')
  })

  const failures: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('no token')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no token'))],
    ['rejects with nothing', () => Promise.reject()],
    ['returns nothing', () => undefined],
    ['returns a number', () => 42],
    ['returns an object that is no URL', () => ({})],
    ['returns text that is no URL', () => 'nonsense'],
    ['returns a URL with a scheme that is none', () => 'mailto:somebody@example.com'],
  ]
  test.for(failures)(
    'that %s makes that attempt fail, no more (field notes: reconnecting-websocket#134)',
    async ([, fail], { scene }) => {
      const server = await scene.server()
      let failuresLeft = 2
      const url = (() => (failuresLeft-- > 0 ? fail() : server.url)) as Provider<string>
      const client = scene.reconnectingWebSocket(url)
      await scene.journal.until('open', () => client.opens)
      expect(client.closes).toMatchObject(Array(2).fill({ code: 4802, reason: 'provider failed', wasClean: false }))
      expect(client.errors).toMatchObject(Array(2).fill({ error: { name: 'HeartlineError', code: 'ERR_PROVIDER' } }))
      expect(client.states.flatMap(({ ending }) => ending?.cause ?? [])).toEqual(['provider', 'provider'])
    },
  )

  test('for protocols that fails does the same', async ({ scene }) => {
    const server = await scene.server()
    const answers: unknown[] = [Promise.reject(new Error('no')), 42, ['twice', 'twice'], ['not a token'], 'graphql']
    let asked = 0
    const client = scene.reconnectingWebSocket(server.url, {}, (() => answers[asked++]) as Provider<string>)
    await scene.journal.until('open', () => client.opens)
    expect(client.closes.map(({ code }) => code)).toEqual([4802, 4802, 4802, 4802])
    expect(client.socket.protocol).toBe('graphql')
  })

  test('for protocols is asked at every attempt', async ({ scene }) => {
    const server = await scene.server()
    const reasons: string[] = []
    const client = scene.reconnectingWebSocket(server.url, {}, ({ reason }) => [`v${reasons.push(reason)}`, 'other'])
    await scene.journal.until('open', () => client.opens === 1)
    expect(client.socket.protocol).toBe('v1')
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.socket.protocol).toBe('v2')
    expect(reasons).toEqual(['initial', 'reconnect'])
  })

  test('that never settles is given up after connectTimeoutMs, and its late answer is ignored', async ({ scene }) => {
    const server = await scene.server()
    const first = deferred()
    const client = scene.reconnectingWebSocket(
      ({ reason }) => (reason === 'initial' ? first.promise : `${server.url}second`),
      {
        connectTimeoutMs: 100,
      },
    )
    await scene.journal.until('open', () => client.opens)
    expect(client.closes).toMatchObject([{ code: 4801, reason: 'connect timeout' }])
    first.resolve(`${server.url}first`)
    await scene.othersRetry()
    expect(server.connections.map(({ path }) => path)).toEqual(['/second'])
  })

  test('whose failure comes after the attempt was given up ends nothing', async ({ scene }) => {
    const server = await scene.server()
    const first = deferred()
    const client = scene.reconnectingWebSocket(({ reason }) => (reason === 'initial' ? first.promise : server.url), {
      connectTimeoutMs: 100,
    })
    await scene.journal.until('open', () => client.opens)
    first.reject(new Error('too late'))
    await scene.othersRetry()
    expect(client.socket.state).toBe('open')
    expect(client.errors).toEqual([])
  })
})
