import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { WebSocket } from 'ws'
import type { Direction } from '../../src/testing/index.ts'
import { bundle, type Bundle } from './bundle.ts'
import { run, type Order, type Sighting, type Subject } from './fixtures/detection-subject.ts'
import { nodeRuntimes, type NodeRuntime } from './node-runtimes.ts'
import { BOUND_MS, heartbeat, SLACK_MS, test, type Scene } from './scene.ts'

const directions: Direction[] = ['both', 'clientToServer', 'serverToClient']
/** Functions cannot be handed to another process. Without `isReply` the subject also tells when a reply comes. */
const probing = { message: 'ping', intervalMs: heartbeat.intervalMs, timeoutMs: heartbeat.timeoutMs }

interface Runtime {
  readonly name: string
  readonly isMissing: boolean
  start(scene: Scene, subject: Subject, tell: (sighting: Sighting) => void): (order: Order) => void
}

let child: Bundle

/** A runtime that is another process. */
function startChild({ execPath, execArgv }: NodeRuntime): Runtime['start'] {
  return (scene, subject, tell) => {
    const runtime = fork(child.file, [JSON.stringify(subject)], { execPath, execArgv })
    runtime.on('message', tell as (message: unknown) => void)
    scene.atEnd(async () => {
      const exited = once(runtime, 'exit')
      if (runtime.exitCode === null && runtime.kill('SIGKILL')) await exited
    })
    return (order) => void runtime.send(order)
  }
}

const runtimes: Runtime[] = [
  { name: 'ws', isMissing: false, start: (_scene, subject, tell) => run(WebSocket, subject, tell) },
  ...nodeRuntimes.map((runtime) => ({ name: runtime.name, isMissing: runtime.isMissing, start: startChild(runtime) })),
]

beforeAll(async () => {
  child = await bundle('detection-child')
})
afterAll(() => child.remove())

describe.each(runtimes)('over $name', { concurrent: true }, ({ name, isMissing, start }) => {
  const figures: string[] = []
  afterAll(() => {
    if (figures.length) console.info(`${name}, bound ${BOUND_MS} ms: ${figures.join(', ')}`)
  })

  /** Brings a subject up behind a proxy and lets a heartbeat come back. */
  async function stage(scene: Scene, kind: Subject['kind']) {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const sightings: (Sighting & { atMs: number })[] = []
    const order = start(scene, { kind, url: proxy.url, nextUrl: server.url, heartbeat: probing }, (sighting) => {
      sightings.push({ ...sighting, atMs: performance.now() })
      scene.journal.note(`client: ${sighting.what}`, sighting)
    })
    const sight = (expected: Sighting['what'], number = 1) =>
      scene.journal.until(`${expected} ${number}`, () => sightings.filter(({ what }) => what === expected)[number - 1])
    await sight('message')
    return { server, proxy, sightings, order, sight }
  }

  describe.skipIf(isMissing).each(directions)('with nothing coming through, %s', (direction) => {
    test('HeartbeatWebSocket closes with 4701 in time, and the native socket has not closed (field notes: close() on a dead path)', async ({
      scene,
    }) => {
      const { proxy, sight } = await stage(scene, 'HeartbeatWebSocket')
      const faultMs = performance.now()
      proxy.blackHole(direction)
      const close = await sight('close')
      expect(close).toMatchObject({ code: 4701, reason: 'heartbeat timeout', nativeCloses: 0, attempts: 1 })
      expect(close.atMs - faultMs).toBeLessThan(BOUND_MS + SLACK_MS)
      figures.push(`${direction} close ${(close.atMs - faultMs).toFixed(0)} ms`)
    })

    test('ReconnectingWebSocket begins exactly one attempt in time, and stays with it', async ({ scene }) => {
      const { server, proxy, sight, sightings } = await stage(scene, 'ReconnectingWebSocket')
      const faultMs = performance.now()
      proxy.blackHole(direction)
      const attempt = await sight('attempt', 2)
      expect(sightings.find(({ what }) => what === 'close')).toMatchObject({ code: 4701, nativeCloses: 0 })
      expect(attempt.atMs - faultMs).toBeLessThan(BOUND_MS + SLACK_MS)
      figures.push(`${direction} attempt ${(attempt.atMs - faultMs).toFixed(0)} ms`)
      await scene.journal.until(
        'two heartbeats on the second connection',
        () => server.connections[1]?.heartbeats === 2,
      )
      expect(sightings.at(-1)!.attempts).toBe(2)
      expect(sightings.filter(({ what }) => what === 'open')).toHaveLength(2)
    })
  })

  test.skipIf(isMissing)(
    'close() on a dead path gives the close event within timeoutMs (field notes: close() on a dead path)',
    async ({ scene }) => {
      const { proxy, order, sight } = await stage(scene, 'HeartbeatWebSocket')
      proxy.blackHole()
      const closedMs = performance.now()
      order({ do: 'close' })
      const close = await sight('close')
      expect(close).toMatchObject({ code: 1006, reason: 'closing timeout', nativeCloses: 0 })
      expect(close.atMs - closedMs).toBeLessThan(heartbeat.timeoutMs + SLACK_MS)
      figures.push(`close() ${(close.atMs - closedMs).toFixed(0)} ms`)
    },
  )
})

describe('traffic', { concurrent: true }, () => {
  test('outgoing messages do not hide a dead peer (field notes: BetterFleet#874)', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const client = scene.heartbeatWebSocket(proxy.url)
    await scene.journal.until('a heartbeat', () => server.heartbeats)
    const talking = setInterval(() => client.socket.send('still here?'), 50)
    scene.atEnd(() => clearInterval(talking))
    await scene.journal.until('a message', () => server.received.length)
    proxy.blackHole('serverToClient')
    const faultMs = performance.now()
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code: 4701 })
    expect(performance.now() - faultMs).toBeLessThan(BOUND_MS + SLACK_MS)
  })

  test('incoming messages do not keep heartbeats back (field notes: supabase/realtime-js#133)', async ({ scene }) => {
    const server = await scene.server({
      connected({ socket }) {
        const talking = setInterval(() => socket.send('news'), 50)
        socket.on('close', () => clearInterval(talking))
      },
    })
    const client = scene.heartbeatWebSocket(server.url)
    await scene.journal.until('three heartbeats', () => server.heartbeats === 3)
    expect(client.messages.length).toBeGreaterThan(3)
    expect(client.closes).toEqual([])
  })

  test('a reply that is queued behind a backlog is no death as long as the backlog arrives (field notes: SnowLuma#362)', async ({
    scene,
  }) => {
    // 2 s of messages in front of each reply, far more than a heartbeat may take.
    const server = await scene.server()
    const client = scene.heartbeatWebSocket(server.url)
    const { socket } = await scene.journal.until('connection', () => server.last)
    let left = 40
    const trickle = setInterval(() => (left-- ? socket.send('backlog') : clearInterval(trickle)), 50)
    scene.atEnd(() => clearInterval(trickle))
    socket.removeAllListeners('message')
    await scene.journal.until('the whole backlog', () => client.messages.length === 40)
    expect(client.closes).toEqual([])
    expect(client.socket.readyState).toBe(1)
  })

  test('a server that never answers heartbeats is told apart by the reason of the close event', async ({ scene }) => {
    const server = await scene.server({ reply: () => undefined })
    const client = scene.heartbeatWebSocket(server.url)
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code: 4701, reason: 'heartbeat never answered', wasClean: false })
  })

  test('replies to heartbeats are hidden with isReply, and shown without it', async ({ scene }) => {
    const server = await scene.server({ reply: (text) => (text === 'ping' ? 'pong' : text) })
    const hiding = scene.heartbeatWebSocket(server.url)
    const showing = scene.heartbeatWebSocket(server.url, { heartbeat: probing })
    await scene.journal.until('a shown reply', () => showing.messages.length)
    await scene.journal.until('two heartbeats of each', () =>
      server.connections.every(({ heartbeats }) => heartbeats > 1),
    )
    hiding.socket.send('hello')
    await scene.journal.until('a message', () => hiding.messages.length)
    expect(hiding.messages).toEqual(['hello'])
    expect(showing.messages[0]).toBe('pong')
  })

  test('without a heartbeat a silent connection stays open', async ({ scene }) => {
    const server = await scene.server()
    const client = scene.heartbeatWebSocket(server.url, { heartbeat: false })
    const other = scene.heartbeatWebSocket(server.url)
    await scene.journal.until('heartbeats of another client over twice the bound', () => server.heartbeats === 4)
    expect(client.socket.readyState).toBe(1)
    expect(other.socket.readyState).toBe(1)
    expect(server.received).toEqual([])
  })

  test('listening only, a server that falls silent is dead after silenceMs and not before', async ({ scene }) => {
    let left = 10
    const server = await scene.server({
      connected({ socket }) {
        const talking = setInterval(() => (left-- ? socket.send('news') : clearInterval(talking)), 200)
        socket.on('close', () => clearInterval(talking))
      },
    })
    const client = scene.heartbeatWebSocket(server.url, { heartbeat: { silenceMs: 700 } })
    await scene.journal.until('all news', () => client.messages.length === 10)
    const lastMs = performance.now()
    expect(client.closes).toEqual([])
    await scene.journal.until('close', () => client.closes.length)
    expect(client.closes[0]).toMatchObject({ code: 4701 })
    expect(performance.now() - lastMs).toBeGreaterThan(690)
    expect(performance.now() - lastMs).toBeLessThan(700 + SLACK_MS)
    expect(server.heartbeats).toBe(0)
  })
})
