import { describe, expect } from 'vitest'
import { memoryStore, type ServerOptions } from '../../src/server/index.ts'
import { numbered, test, type ObservedServer, type SessionScene } from './session-scene.ts'
import { slowTopics } from './slow-topics.ts'
import { away, Door, eventually, isSubscribed, proxied, publish, subscribe, texts } from './topic-scene.ts'

/** A client whose every session the server subscribes to `news`. */
async function subscribed(scene: SessionScene, options: ServerOptions = {}) {
  const server = await scene.sessionServer(options)
  server.server.on('session', (session) => void session.subscribe('news'))
  const proxy = await scene.proxy(server)
  const door = new Door()
  const client = scene.connect(() => door.passed(proxy.url)).listen(scene)
  await scene.isOpen(client)
  return { server, proxy, door, client, served: server.sessions[0]! }
}

const isWaiting = (scene: SessionScene, server: ObservedServer, count = 1) =>
  eventually(scene, 'the subscription', () => server.server.topic('news').subscribers === count)

describe('a session that the server subscribes', () => {
  test('gets the messages by its own event, with the topic; nobody is asked', async ({ scene }) => {
    const { server, client, served } = await subscribed(scene)
    await publish(server.server, 'news', numbered('n', 3))
    await server.server.publish('news', 'volatile', { volatile: true })
    await scene.journal.until('the topic', () => client.messages.length === 4)
    await served.session.send('for it alone')
    await scene.journal.until('all', () => client.messages.length === 5)
    expect(client.messages.map(({ data, topic }) => [data, topic])).toEqual([
      ...numbered('n', 3).map((text) => [text, 'news']),
      ['volatile', 'news'],
      ['for it alone', undefined],
    ])
    expect(served.session.subscriptions).toEqual(['news'])
    expect(server.errors).toEqual([])
  })

  test('begins where it says', async ({ scene }) => {
    const { server, client, served } = await proxied(scene)
    const topics = ['now', 'first', 'last', 'behind']
    for (const topic of topics) await publish(server.server, topic, numbered('n', 5))
    const { generation } = await server.server.topic('behind').info()
    await served.session.subscribe('now')
    await served.session.subscribe('first', { from: 'first' })
    await served.session.subscribe('last', { from: { last: 2 } })
    await served.session.subscribe('behind', { from: { generation, offset: 4 } })
    // Without effect: it has subscribed before.
    await served.session.subscribe('now', { from: 'first' })
    for (const topic of topics) await publish(server.server, topic, ['n 6'])
    await scene.journal.until('all', () => client.messages.length === 6 + 3 + 2 + 1)
    const seen = (name: string) => client.messages.filter(({ topic }) => topic === name).map(({ data }) => data)
    expect(topics.map(seen)).toEqual([['n 6'], numbered('n', 6), ['n 4', 'n 5', 'n 6'], ['n 5', 'n 6']])
  })

  test('goes on after a cut, without loss', async ({ scene }) => {
    const cast = await subscribed(scene)
    const { server, client } = cast
    await publish(server.server, 'news', numbered('n', 2))
    await texts(scene, client, 2)
    await away(scene, cast)
    await publish(server.server, 'news', numbered('n', 2, 3))
    cast.door.open()
    expect(await texts(scene, client, 4)).toEqual(numbered('n', 4))
    expect([client.gaps, client.resumes.length]).toEqual([[], 1])
  })

  test('while it is away begins to get messages when it comes back', async ({ scene }) => {
    const cast = await proxied(scene)
    const { server, client, served, door } = cast
    await away(scene, cast)
    await served.session.subscribe('news')
    await publish(server.server, 'news', numbered('n', 2))
    door.open()
    expect(await texts(scene, client, 2)).toEqual(numbered('n', 2))
  })

  test.for(['memory', 'a store that answers later'])(
    'goes on in a new session after the expiry, without loss: %s',
    async (kind, { scene }) => {
      const store = memoryStore()
      const options = { session: { ttlMs: 50 }, store: kind === 'memory' ? store : slowTopics(store) }
      const cast = await subscribed(scene, options)
      const { server, client, served, door } = cast
      await isWaiting(scene, server)
      await publish(server.server, 'news', numbered('n', 2))
      await texts(scene, client, 2)
      await away(scene, cast)
      await publish(server.server, 'news', ['n 3'])
      await scene.journal.until('the end', () => served.ended)
      await publish(server.server, 'news', ['n 4'])
      door.open()
      expect(await texts(scene, client, 4)).toEqual(numbered('n', 4))
      expect(client.gaps).toMatchObject([{ stream: 'inbox', reason: 'unknown' }])
      expect(server.sessions).toHaveLength(2)
    },
  )

  test('has an exact gap for what is no longer kept, as an event of the session', async ({ scene }) => {
    const cast = await subscribed(scene, { topics: { maxMessages: 2 } })
    const { server, client } = cast
    await publish(server.server, 'news', ['n 1'])
    await texts(scene, client, 1)
    await away(scene, cast)
    await publish(server.server, 'news', numbered('n', 5, 2))
    cast.door.open()
    expect(await texts(scene, client, 3)).toEqual(['n 1', 'n 5', 'n 6'])
    const { generation } = await server.server.topic('news').info()
    expect(client.gaps).toEqual([
      { stream: 'topic', topic: 'news', session: client.session.id, generation, from: 2, to: 4, reason: 'overflow' },
    ])
  })

  test('gets nothing more when the server ends it; also while it is away; and can be subscribed again', async ({
    scene,
  }) => {
    const cast = await proxied(scene)
    const { server, client, served } = cast
    for (const topic of ['a', 'b', 'c']) await served.session.subscribe(topic)
    for (const topic of ['a', 'b', 'c']) await publish(server.server, topic, [`${topic} 1`])
    await texts(scene, client, 3)
    served.session.unsubscribe('a')
    // What it does not have does no harm.
    served.session.unsubscribe('x')
    await away(scene, cast)
    served.session.unsubscribe('b')
    for (const topic of ['a', 'b', 'c']) await publish(server.server, topic, [`${topic} 2`])
    cast.door.open()
    await scene.journal.until('the one that is left', () => client.texts.includes('c 2'))
    expect(served.session.subscriptions).toEqual(['c'])
    for (const topic of ['a', 'b']) await served.session.subscribe(topic, { from: 'first' })
    for (const topic of ['a', 'b', 'c']) await publish(server.server, topic, [`${topic} 3`])
    await scene.journal.until('all', () => client.messages.length === 3 + 1 + 3 + 3 + 1)
    const seen = (name: string) => client.messages.filter(({ topic }) => topic === name).map(({ data }) => data)
    expect(['a', 'b', 'c'].map(seen)).toEqual([
      ['a 1', 'a 1', 'a 2', 'a 3'],
      ['b 1', 'b 1', 'b 2', 'b 3'],
      ['c 1', 'c 2', 'c 3'],
    ])
    expect([client.gaps, client.errors]).toEqual([[], []])
  })

  test('to hundreds of topics, more than fit into HELLO, goes on in all of them', async ({ scene }) => {
    const COUNT = 300
    const cast = await proxied(scene)
    const { server, client, served, door } = cast
    const topics = Array.from({ length: COUNT }, (_, index) => `rooms/a rather long name ✓/${index}`)
    for (const topic of topics) await served.session.subscribe(topic)
    for (const topic of topics) await publish(server.server, topic, [`1 of ${topic}`])
    await texts(scene, client, COUNT)
    await away(scene, cast)
    for (const topic of topics) await publish(server.server, topic, [`2 of ${topic}`])
    door.open()
    await texts(scene, client, 2 * COUNT)
    expect(client.texts.toSorted()).toEqual(topics.flatMap((topic) => [1, 2].map((n) => `${n} of ${topic}`)).toSorted())
    expect(client.gaps).toEqual([])
  })

  test('loses nothing of a topic that was paused when the connection went, and that HELLO has no room for', async ({
    scene,
  }) => {
    const cast = await proxied(scene)
    const { server, door } = cast
    const client = scene.connect(() => door.passed(cast.proxy.url), {}, 'slow client')
    const seen: string[] = []
    let goOn = () => {}
    const wait = new Promise<void>((resolve) => (goOn = resolve))
    client.session.on('message', ({ data, topic }) => {
      if (topic !== 'slow') return
      seen.push(String(data))
      scene.journal.note('slow')
      return wait
    })
    await scene.isOpen(client)
    const session = server.sessions[1]!
    // So long that there is no room for another one.
    for (let index = 0; index < 20; index++) await session.session.subscribe(`${index} ${'x'.repeat(250)}`)
    await session.session.subscribe('slow')
    await publish(server.server, 'slow', numbered('n', 6_000))
    await eventually(scene, 'the pause', () => client.transport.sent.some((sent) => String(sent).startsWith('U')))
    await away(scene, { ...cast, client, served: session })
    door.open()
    await scene.isOpen(client)
    goOn()
    await scene.journal.until('all', () => seen.length >= 6_000)
    expect(seen).toEqual(numbered('n', 6_000))
    expect(client.gaps).toEqual([])
  })

  test('and whose client subscribes itself gets the messages by the subscription from then on, once', async ({
    scene,
  }) => {
    const { server, client, served } = await proxied(scene)
    await served.session.subscribe('news')
    await publish(server.server, 'news', ['n 1'])
    await texts(scene, client, 1)
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await served.session.subscribe('news')
    await publish(server.server, 'news', ['n 2'])
    expect(await texts(scene, observed, 1)).toEqual(['n 2'])
    expect(client.texts).toEqual(['n 1'])
    expect(server.server.topic('news').subscribers).toBe(1)
    expect(client.errors).toEqual([])
  })
})

describe('a subscription that the client has made', () => {
  test('ends when the server says so, and the client hears of it', async ({ scene }) => {
    const { server, client, served } = await proxied(scene)
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    expect(served.session.subscriptions).toEqual(['news'])
    await publish(server.server, 'news', ['n 1'])
    await texts(scene, observed, 1)
    served.session.unsubscribe('news')
    await publish(server.server, 'news', ['n 2'])
    await scene.journal.until('the end', () => observed.ends[0])
    expect([observed.ends, observed.texts, observed.subscription.state]).toEqual([['unsubscribed'], ['n 1'], 'ended'])
    expect(served.session.subscriptions).toEqual([])
    const again = subscribe(scene, client, 'news', { from: observed.subscription.position! })
    expect(await texts(scene, again, 1)).toEqual(['n 2'])
  })
})
