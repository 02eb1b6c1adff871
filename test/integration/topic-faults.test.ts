import { expect } from 'vitest'
import { startChild } from './child.ts'
import type { Welcome } from '../../src/protocol/frame.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { numbered, test } from './session-scene.ts'
import { Door, eventually, isSubscribed, isTrue, proxied, publish, subscribe, texts } from './topic-scene.ts'

test('a server that starts again on the same port, with its memory gone: each subscription has a gap that says so, and gets all that the new one has', async ({
  scene,
}) => {
  const first = await scene.sessionServer({ authorize: isTrue })
  first.server.on('session', (session) => void session.subscribe('server’s'))
  const door = new Door()
  const client = scene.connect(() => door.passed(first.url)).listen(scene)
  const names = ['quiet', 'busy']
  const all = names.map((topic) => subscribe(scene, client, topic))
  for (const observed of all) await isSubscribed(scene, observed)
  const generation = all[0]!.positions[0]!.generation
  for (const topic of ['busy', 'server’s']) await publish(first.server, topic, numbered('old', 3))
  await texts(scene, all[1]!, 3)
  await texts(scene, client, 3)
  door.shut()
  await first.server.close()
  await scene.journal.until('the client to know', () => client.session.state !== 'open')

  const second = await scene.sessionServer({ authorize: isTrue, port: first.port })
  second.server.on('session', (session) => void session.subscribe('server’s'))
  for (const topic of ['busy', 'server’s']) await publish(second.server, topic, numbered('new', 2))
  door.open()
  expect(await texts(scene, all[1]!, 5)).toEqual([...numbered('old', 3), ...numbered('new', 2)])
  await isSubscribed(scene, all[0]!, 2)
  await publish(second.server, 'quiet', ['new 1'])
  expect(await texts(scene, all[0]!, 1)).toEqual(['new 1'])
  // Nobody knows how much there was.
  const gap = { stream: 'topic', generation, to: undefined, reason: 'generation' }
  expect(all[0]!.gaps).toMatchObject([{ ...gap, topic: 'quiet', from: 1 }])
  expect(all[1]!.gaps).toMatchObject([{ ...gap, topic: 'busy', from: 4 }])
  expect(all[1]!.messages.slice(3).map(({ position }) => position)).toEqual(
    [1, 2].map((offset) => ({ generation: all[1]!.positions[1]!.generation, offset })),
  )
  expect(all[1]!.positions[1]!.generation).not.toBe(generation)
  // The server’s own begins where the client was: in a history that is gone.
  expect(await texts(scene, client, 5)).toEqual([...numbered('old', 3), ...numbered('new', 2)])
  expect(client.gaps.filter(({ stream }) => stream === 'topic')).toMatchObject([{ ...gap, topic: 'server’s', from: 4 }])
})

test('a session that the server ends ends its subscriptions, at both ends', async ({ scene }) => {
  const { server, client, served } = await proxied(scene)
  const observed = subscribe(scene, client, 'news')
  await isSubscribed(scene, observed)
  await publish(server.server, 'news', ['n 1'])
  await texts(scene, observed, 1)
  const loop = (async () => {
    const seen: unknown[] = []
    for await (const { data } of client.session.subscribe('other')) seen.push(data)
    return seen
  })()
  await eventually(scene, 'both subscriptions', () => server.server.stats.subscriptions === 2)
  await publish(server.server, 'other', ['o 1'])
  await served.session.close()
  expect(await loop).toEqual(['o 1'])
  expect([client.session.state, observed.subscription.state]).toEqual(['closed', 'ended'])
  expect(server.server.stats).toMatchObject({ topics: 0, subscriptions: 0 })
  expect(() => client.session.subscribe('news')).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CLOSED' }))
})

test('a client whose session another one takes over has no subscriptions any more, and the other one begins its own', async ({
  scene,
}) => {
  const { server, client } = await proxied(scene)
  const observed = subscribe(scene, client, 'news')
  await isSubscribed(scene, observed)
  await publish(server.server, 'news', ['n 1'])
  await texts(scene, observed, 1)
  const loop = (async () => {
    for await (const { data } of client.session.subscribe('other')) expect(data).toBeUndefined()
  })()
  const { body } = client.transport.frames.find(({ frame }) => frame.type === 'welcome')!.frame as { body: Welcome }
  const { session, token, generation } = body
  const { position } = observed.subscription
  const raw = RawClient.entering(server.url, {
    ...hello,
    resume: { session, token, position: { generation, offset: 0 }, sent: 0 },
    topics: [{ ref: 1, topic: 'news', from: position! }],
  })
  scene.atEnd(() => raw.socket.terminate())
  expect(await raw.welcome()).toMatchObject({ resumed: true })
  await loop
  expect([client.superseded, client.session.state, observed.subscription.state]).toEqual([1, 'closed', 'ended'])
  await publish(server.server, 'news', ['n 2'])
  expect(await raw.answered('T')).toMatch(/^T\d+,2 n 2$/)
  expect(observed.texts).toEqual(['n 1'])
})

test('a connection that is cut again and again, at any moment, costs no subscription a message', async ({ scene }) => {
  const { server, proxy, client } = await proxied(scene)
  const COUNT = 5
  const all = Array.from({ length: COUNT }, (_, index) => subscribe(scene, client, `topic ${index}`))
  for (const observed of all) await isSubscribed(scene, observed)
  let resets = 0
  for (let round = 1; round <= 40; round++) {
    for (const { subscription } of all)
      await publish(server.server, subscription.topic, numbered('n', 5, round * 5 - 4))
    if (round % 2) await new Promise(setImmediate)
    if (client.session.state !== 'open') continue
    proxy.reset()
    resets++
  }
  for (const observed of all) {
    await texts(scene, observed, 200)
    expect(observed.texts).toEqual(numbered('n', 200))
    expect(observed.gaps).toEqual([])
  }
  expect(resets).toBeGreaterThan(1)
  expect([server.sessions.length, client.gaps]).toEqual([1, []])
})

test('a position is handed to another process, which goes on exactly there', async ({ scene }) => {
  const { server, client } = await proxied(scene)
  const observed = subscribe(scene, client, 'topic 0')
  await isSubscribed(scene, observed)
  await publish(server.server, 'topic 0', numbered('n', 3))
  await texts(scene, observed, 3)
  await client.session.close()
  await publish(server.server, 'topic 0', numbered('n', 3, 4))
  const child = await startChild(scene, 'topic-subscribers-child', {
    url: server.url,
    clients: 1,
    from: observed.subscription.position,
  })
  await child.ready
  await publish(server.server, 'topic 0', ['n 7'])
  await eventually(scene, 'the last one', async () => (await child.ask('report'))[0].last === 7)
  expect(await child.ask('report')).toMatchObject([{ first: 4, last: 7, messages: 4, gaps: [], isInOrder: true }])
})

test('a server with the messages of a topic on their way knows that a path is dead long before it would know of an idle one', async ({
  scene,
}) => {
  const IDLE_MS = 30_000
  const heartbeat = { intervalMs: IDLE_MS, timeoutMs: IDLE_MS }
  const cast = await proxied(scene, { heartbeat }, { heartbeat })
  const { server, client, proxy, served } = cast
  const observed = subscribe(scene, client, 'news')
  await isSubscribed(scene, observed)
  await publish(server.server, 'news', ['n 1'])
  await texts(scene, observed, 1)
  // Its acknowledgement is there: nothing is on its way.
  await eventually(scene, 'the acknowledgement', () => !served.session.core.inFlight)
  proxy.blackHole()
  const faultMs = performance.now()
  await publish(server.server, 'news', ['n 2'])
  await scene.journal.until('the server to know', () => served.disconnects[0])
  const tookMs = performance.now() - faultMs
  console.info(`a dead path with a topic's message on its way: known after ${tookMs.toFixed(0)} ms`)
  expect(served.disconnects).toMatchObject([{ wasGhost: true }])
  // A second for the acknowledgement, which may wait for company, and one for the ping.
  expect(tookMs).toBeGreaterThan(1_000)
  expect(tookMs).toBeLessThan(IDLE_MS / 3)
  proxy.heal()
  client.transport.terminate()
  expect(await texts(scene, observed, 2)).toEqual(['n 1', 'n 2'])
  expect(observed.gaps).toEqual([])
})
