import { describe, expect } from 'vitest'
import { memoryStore, type Topic } from '../../src/server/index.ts'
import { slowTopics } from './slow-topics.ts'
import { test, type ObservedServer, type SessionScene } from './session-scene.ts'
import { away, Door, eventually, isSubscribed, isTrue, proxied, publish, subscribe, texts } from './topic-scene.ts'

const EVENTS = ['join', 'leave', 'away', 'back'] as const

/** Writes down who comes and goes. */
function presence(scene: SessionScene, { server }: ObservedServer, names: () => Record<string, string>) {
  const topic: Topic = server.topic('room')
  const events: string[] = []
  for (const type of EVENTS)
    topic.on(type, ({ session }) => {
      events.push(`${type} ${names()[session.id] ?? 'ann'}`)
      scene.journal.note('presence', events.at(-1))
    })
  return { topic, events }
}

describe('who is in a topic', () => {
  test('is told: join, away, back, and leave when it unsubscribes', async ({ scene }) => {
    const cast = await proxied(scene)
    const { server, client, served, door } = cast
    const { topic, events } = presence(scene, server, () => ({}))
    expect(topic.members()).toEqual([])
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    expect(topic.members()).toEqual([{ session: served.session, isAway: false }])
    await away(scene, cast)
    expect(topic.members()).toEqual([{ session: served.session, isAway: true }])
    expect(topic.subscribers).toBe(1)
    door.open()
    await isSubscribed(scene, observed, 2)
    expect(topic.members()).toEqual([{ session: served.session, isAway: false }])
    observed.subscription.unsubscribe()
    await scene.journal.until('leave', () => events.length === 4)
    expect(events).toEqual(['join ann', 'away ann', 'back ann', 'leave ann'])
    expect(topic.members()).toEqual([])
  })

  test.for<[string, string[]]>([
    ['says goodbye', ['join ann', 'leave ann']],
    ['expires', ['join ann', 'away ann', 'leave ann']],
    ['is ended by the server', ['join ann', 'leave ann']],
    ['is unsubscribed by the server', ['join ann', 'leave ann']],
    ['unsubscribes while it is away', ['join ann', 'away ann', 'leave ann']],
    ['may no longer be in it', ['join ann', 'away ann', 'leave ann']],
    ['loses its server', ['join ann', 'away ann', 'leave ann']],
  ])('is no longer whoever %s', async ([how, expected], { scene }) => {
    let isAllowed = true
    const cast = await proxied(scene, {
      authorize: () => isAllowed,
      session: { ttlMs: how === 'expires' ? 50 : 60_000 },
    })
    const { server, client, served, door } = cast
    const { topic, events } = presence(scene, server, () => ({}))
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    if (how === 'says goodbye') await client.session.close()
    else if (how === 'expires') await away(scene, cast)
    else if (how === 'is ended by the server') await served.session.close()
    else if (how === 'is unsubscribed by the server') served.session.unsubscribe('room')
    else if (how === 'loses its server') await server.server.close()
    else {
      await away(scene, cast)
      if (how === 'may no longer be in it') isAllowed = false
      else observed.subscription.unsubscribe()
      door.open()
    }
    await scene.journal.until('leave', () => events.at(-1)?.startsWith('leave'))
    expect(events).toEqual(expected)
    expect([topic.members(), topic.subscribers]).toEqual([[], 0])
  })

  test('is told of each session by itself, of those that the server subscribes, too', async ({ scene }) => {
    const server = await scene.sessionServer({ authorize: isTrue })
    const names: Record<string, string> = {}
    const { topic, events } = presence(scene, server, () => names)
    const clients = ['ann', 'bob'].map((name) => scene.connect(server.url, {}, name).listen(scene))
    for (const client of clients) await scene.isOpen(client)
    clients.forEach(({ session }, index) => (names[session.id!] = ['ann', 'bob'][index]!))
    const [ann, bob] = clients
    await isSubscribed(scene, subscribe(scene, ann!, 'room'))
    const session = server.server.session(bob!.session.id!)!
    await session.subscribe('room')
    await isSubscribed(scene, subscribe(scene, ann!, 'another room'))
    expect(topic.members().map(({ session }) => names[session.id])).toEqual(['ann', 'bob'])
    await ann!.session.close()
    session.unsubscribe('room')
    await scene.journal.until('all to be gone', () => events.length === 4)
    expect(events.toSorted()).toEqual(['join ann', 'join bob', 'leave ann', 'leave bob'])
  })

  test('is not told any more to a listener that is taken away', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const { events } = presence(scene, server, () => ({}))
    let heard = 0
    const off = server.server.topic('room').on('join', () => heard++)
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    off()
    observed.subscription.unsubscribe()
    await isSubscribed(scene, subscribe(scene, client, 'room'))
    expect([heard, events]).toEqual([1, ['join ann', 'leave ann', 'join ann']])
  })

  test('is not told to have come back before `authorize` has said so', async ({ scene }) => {
    let answer: ((isAllowed: boolean) => void) | undefined
    let isSlow = false
    const cast = await proxied(scene, {
      authorize: () => !isSlow || new Promise<boolean>((resolve) => (answer = resolve)),
    })
    const { server, client, served, door } = cast
    const { events } = presence(scene, server, () => ({}))
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    await away(scene, cast)
    isSlow = true
    door.open()
    await eventually(scene, 'the question', () => answer)
    expect(served.session.isConnected).toBe(true)
    expect(events).toEqual(['join ann', 'away ann'])
    answer!(true)
    await isSubscribed(scene, observed, 2)
    expect(events).toEqual(['join ann', 'away ann', 'back ann'])
  })
})

describe('behind a path that has died without a word', () => {
  test('a member is away as soon as the server knows, and leaves no sooner than its session expires', async ({
    scene,
  }) => {
    const TTL_MS = 1_000
    const { server, proxy, door, client, served } = await proxied(
      scene,
      { heartbeat: { intervalMs: 200, timeoutMs: 200 }, session: { ttlMs: TTL_MS } },
      { heartbeat: { intervalMs: 60_000, timeoutMs: 60_000 } },
    )
    const { topic, events } = presence(scene, server, () => ({}))
    await isSubscribed(scene, subscribe(scene, client, 'room'))
    proxy.blackHole()
    door.shut()
    await scene.journal.until('the server to know', () => served.disconnects[0])
    const awayMs = performance.now()
    expect(served.disconnects).toMatchObject([{ wasGhost: true }])
    expect(events).toEqual(['join ann', 'away ann'])
    expect(topic.members()).toEqual([{ session: served.session, isAway: true }])
    await scene.journal.until('leave', () => events[2])
    // A timer may be a millisecond early.
    expect(performance.now() - awayMs).toBeGreaterThan(TTL_MS - 5)
    expect(events).toEqual(['join ann', 'away ann', 'leave ann'])
    expect(served.ended).toMatchObject({ reason: 'expired' })
    expect(topic.members()).toEqual([])
    // The client does not know yet.
    expect(client.session.state).toBe('open')
    client.transport.terminate()
  })

  test('a client that comes back before the server knows has never been away, and misses nothing', async ({
    scene,
  }) => {
    const server = await scene.sessionServer({ authorize: isTrue })
    const proxy = await scene.proxy(server)
    const door = new Door()
    const client = scene.connect(() => door.passed(proxy.url)).listen(scene)
    await scene.isOpen(client)
    const served = server.sessions[0]!
    const { topic, events } = presence(scene, server, () => ({}))
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    await served.session.subscribe('server’s')
    proxy.blackHole()
    door.shut()
    // Into the dead connection.
    for (const name of ['room', 'server’s']) await publish(server.server, name, [`${name} 1`, `${name} 2`])
    await new Promise(setImmediate)
    client.transport.terminate()
    // The black hole swallows that, too.
    await eventually(scene, 'the end of the client', () => !proxy.connections)
    await scene.journal.until('the client to know', () => client.session.state !== 'open')
    expect(served.session.isConnected).toBe(true)
    proxy.heal()
    door.open()
    expect(await texts(scene, observed, 2)).toEqual(['room 1', 'room 2'])
    expect(await texts(scene, client, 2)).toEqual(['server’s 1', 'server’s 2'])
    expect(events).toEqual(['join ann'])
    expect(topic.members()).toEqual([{ session: served.session, isAway: false }])
    expect([observed.gaps, client.gaps, served.disconnects]).toEqual([[], [], []])
    await publish(server.server, 'room', ['room 3'])
    expect(await texts(scene, observed, 3)).toEqual(['room 1', 'room 2', 'room 3'])
  })

  test('a client that has taken over, and is gone before anybody could tell it so, is away', async ({ scene }) => {
    const store = memoryStore()
    const gate = new Door()
    const cast = await proxied(scene, {
      store: {
        ...slowTopics(store),
        attach: async (request) => {
          scene.journal.note('attach')
          await gate.passed(undefined)
          return store.attach(request)
        },
      },
    })
    const { server, proxy, door, client, served } = cast
    const { topic, events } = presence(scene, server, () => ({}))
    const observed = subscribe(scene, client, 'room')
    await isSubscribed(scene, observed)
    gate.shut()
    door.shut()
    proxy.blackHole()
    client.transport.terminate()
    await eventually(scene, 'the end of the client', () => !proxy.connections)
    proxy.heal()
    door.open()
    await eventually(scene, 'the attach', () => scene.journal.toString().includes('attach'))
    expect([events, server.server.stats.connections]).toEqual([['join ann'], 2])
    door.shut()
    client.transport.terminate()
    await eventually(scene, 'the server to know of that one', () => server.server.stats.connections === 1)
    expect(events).toEqual(['join ann'])
    gate.open()
    await scene.journal.until('away', () => events[1])
    expect(events).toEqual(['join ann', 'away ann'])
    expect(topic.members()).toEqual([{ session: served.session, isAway: true }])
    // By nothing but the attach: nobody has found the first connection dead.
    expect(served.disconnects).toEqual([])
    door.open()
    await isSubscribed(scene, observed, 2)
    expect(events).toEqual(['join ann', 'away ann', 'back ann'])
  })
})
