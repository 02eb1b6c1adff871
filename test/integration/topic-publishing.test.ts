import { describe, expect } from 'vitest'
import type { ServerOptions } from '../../src/server/index.ts'
import { numbered, test, type ObservedServer, type ObservedSession, type SessionScene } from './session-scene.ts'
import { away, eventually, isSubscribed, isTrue, proxied, publish, servedOf, subscribe, texts } from './topic-scene.ts'

/** So many clients that have subscribed to `news`. */
async function audience(scene: SessionScene, count: number, options: ServerOptions = {}) {
  const server = await scene.sessionServer({ authorize: isTrue, ...options })
  const clients = Array.from({ length: count }, (_, index) =>
    scene.connect(server.url, {}, `client ${index + 1}`).listen(scene),
  )
  const subscriptions = clients.map((client) => subscribe(scene, client, 'news'))
  for (const subscription of subscriptions) await isSubscribed(scene, subscription)
  return { server, clients, subscriptions }
}

describe('what is published', () => {
  test('reaches all who have subscribed, once and in order, text as text and bytes as bytes, and tells where it is', async ({
    scene,
  }) => {
    const { server, subscriptions } = await audience(scene, 3)
    const { generation } = await server.server.topic('news').info()
    const bytes = new Uint8Array([0, 127, 128, 255])
    expect(await server.server.publish('news', 'one')).toEqual({ generation, offset: 1 })
    expect(await server.server.topic('news').publish(bytes)).toEqual({ generation, offset: 2 })
    void server.server.publish('news', 'three')
    void server.server.publish('news', '')
    bytes.fill(1)
    for (const observed of subscriptions) {
      await texts(scene, observed, 4)
      expect(observed.messages.map(({ data }) => (typeof data === 'string' ? data : [...data]))).toEqual([
        'one',
        [0, 127, 128, 255],
        'three',
        '',
      ])
      expect(observed.messages.map(({ topic, position, redelivered }) => [topic, position, redelivered])).toEqual(
        [1, 2, 3, 4].map((offset) => ['news', { generation, offset }, false]),
      )
      expect(new Set(observed.messages.map(({ id }) => id)).size).toBe(4)
      expect(observed.subscription.position).toEqual({ generation, offset: 4 })
    }
    // What comes for a topic is not a message of the session.
    expect(subscriptions[0]!.messages[0]!.id).toBe(subscriptions[1]!.messages[0]!.id)
  })

  test('is counted: subscribers, topics, subscriptions, offsets, messages and bytes', async ({ scene }) => {
    const { server, clients, subscriptions } = await audience(scene, 3)
    const other = subscribe(scene, clients[0]!, 'other')
    await isSubscribed(scene, other)
    const news = server.server.topic('news')
    expect([news.name, news.subscribers]).toEqual(['news', 3])
    expect(server.server.stats).toMatchObject({ topics: 2, subscriptions: 4, dropped: 0 })
    expect(await news.info()).toMatchObject({ first: 1, last: 0, messages: 0, bytes: 0 })
    await publish(server.server, 'news', ['four', 'ten chars!'])
    expect(await news.info()).toMatchObject({ first: 1, last: 2, messages: 2, bytes: 14 })
    subscriptions[2]!.subscription.unsubscribe()
    await eventually(scene, 'one less', () => news.subscribers === 2)
    other.subscription.unsubscribe()
    await eventually(scene, 'a topic less', () => server.server.stats.topics === 1)
    expect(server.server.stats.subscriptions).toBe(2)
    // Nobody has to be there.
    await publish(server.server, 'nobody', ['there'])
    expect(await server.server.topic('nobody').info()).toMatchObject({ first: 1, last: 1 })
    expect(server.server.topic('nobody').subscribers).toBe(0)
  })

  test('can be read again: all, behind an offset, the last few', async ({ scene }) => {
    const { server } = await scene.sessionServer()
    const topic = server.topic('news')
    expect(await topic.history()).toEqual([])
    await publish(server, 'news', numbered('n', 300))
    const offsets = async (options: { after?: number; last?: number }) =>
      (await topic.history(options)).map(({ offset }) => offset)
    const all = await topic.history()
    expect(all.map(({ data }) => data)).toEqual(numbered('n', 300))
    expect(all.map(({ offset }) => offset)).toEqual(all.map((_, index) => index + 1))
    expect(await offsets({ after: 298 })).toEqual([299, 300])
    expect(await offsets({ last: 2 })).toEqual([299, 300])
    expect(await offsets({ after: 299, last: 2 })).toEqual([300])
    expect(await offsets({ after: 290, last: 1 })).toEqual([300])
    expect(await offsets({ after: 300 })).toEqual([])
    expect(await offsets({ last: 0 })).toEqual([])
    expect((await topic.history({ last: 1_000 })).length).toBe(300)
  })
})

describe('what is no longer kept', () => {
  test.for<[string, NonNullable<ServerOptions['topics']>, number]>([
    ['by count', { maxMessages: 3 }, 3],
    ['by bytes', { maxBytes: 20 }, 2],
  ])('%s is an exact gap for whoever comes back, and is not in the history', async ([, topics, kept], { scene }) => {
    const cast = await proxied(scene, { topics })
    const { server, client, door } = cast
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['message 1'])
    await texts(scene, observed, 1)
    await away(scene, cast)
    await publish(server.server, 'news', numbered('message', 8, 2))
    const { generation, ...info } = await server.server.topic('news').info()
    expect(info).toEqual({ first: 10 - kept, last: 9, messages: kept, bytes: kept * 9 })
    expect((await server.server.topic('news').history()).map(({ data }) => data)).toEqual(
      numbered('message', kept, 10 - kept),
    )
    door.open()
    expect(await texts(scene, observed, 1 + kept)).toEqual(['message 1', ...numbered('message', kept, 10 - kept)])
    expect(observed.gaps).toEqual([
      {
        stream: 'topic',
        topic: 'news',
        session: client.session.id,
        generation,
        from: 2,
        to: 9 - kept,
        reason: 'overflow',
      },
    ])
    expect(client.gaps).toEqual([])
  })

  test('by age is an exact gap, too, also if nothing is left', async ({ scene }) => {
    const cast = await proxied(scene)
    const { server, client, door } = cast
    // Long enough that what is published now is there for those who are connected.
    const topic = server.server.topic('news', { retain: { maxAgeMs: 1_000 } })
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['message 1'])
    await texts(scene, observed, 1)
    await away(scene, cast)
    await publish(server.server, 'news', numbered('message', 4, 2))
    await eventually(scene, 'all to be too old', async () => (await topic.info()).messages === 0)
    expect(await topic.info()).toMatchObject({ first: 6, last: 5, messages: 0, bytes: 0 })
    expect(await topic.history()).toEqual([])
    door.open()
    await scene.journal.until('the gap', () => observed.gaps[0])
    expect(observed.gaps).toMatchObject([{ from: 2, to: 5, reason: 'overflow' }])
    await publish(server.server, 'news', ['message 6'])
    expect(await texts(scene, observed, 2)).toEqual(['message 1', 'message 6'])
    expect(observed.offsets).toEqual([1, 6])
    expect(observed.gaps).toHaveLength(1)
  })

  test('is each topic’s own matter, and the last message is kept however large it is', async ({ scene }) => {
    const { server } = await scene.sessionServer({ topics: { maxMessages: 5 } })
    server.topic('short', { retain: { maxMessages: 2 } })
    server.topic('small', { retain: { maxBytes: 10 } })
    for (const topic of ['short', 'small', 'usual']) await publish(server, topic, numbered('a message', 8))
    expect(await server.topic('short').info()).toMatchObject({ first: 7, last: 8 })
    expect(await server.topic('small').info()).toMatchObject({ first: 8, last: 8, messages: 1 })
    expect(await server.topic('usual').info()).toMatchObject({ first: 4, last: 8 })
    // It can be changed, from the next message on.
    server.topic('usual', { retain: { maxMessages: 1 } })
    await publish(server, 'usual', ['one more'])
    expect(await server.topic('usual').info()).toMatchObject({ first: 9, last: 9 })
  })
})

describe('what is published to a subject', () => {
  test('reaches each of its devices once: those that are there, the one that is away, and from then on the one that comes later', async ({
    scene,
  }) => {
    const options: ServerOptions = { authenticate: ({ auth }) => String(auth) }
    const { server, client: absent, ...rest } = await proxied(scene, options, { auth: 'ann' })
    const present = [1, 2].map((number) => scene.connect(server.url, { auth: 'ann' }, `device ${number}`).listen(scene))
    const stranger = scene.connect(server.url, { auth: 'bob' }, 'stranger').listen(scene)
    for (const client of [...present, stranger]) await scene.isOpen(client)
    await away(scene, { server, client: absent, ...rest })
    const { generation } = (await server.server.publish({ subject: 'ann' }, 'first'))!
    for (const device of present) expect(await texts(scene, device, 1)).toEqual(['first'])
    const later = scene.connect(server.url, { auth: 'ann' }, 'later').listen(scene)
    await scene.isOpen(later)
    rest.door.open()
    expect(await texts(scene, absent, 1)).toEqual(['first'])
    expect(await server.server.publish({ subject: 'ann' }, 'second')).toEqual({ generation, offset: 2 })
    for (const device of [...present, absent]) expect(await texts(scene, device, 2)).toEqual(['first', 'second'])
    expect(await texts(scene, later, 1)).toEqual(['second'])
    await server.server.publish({ subject: 'bob' }, 'for bob')
    expect(await texts(scene, stranger, 1)).toEqual(['for bob'])
    for (const device of [...present, absent, later]) expect(device.gaps).toEqual([])
    expect(new Set(present.map(({ messages }) => messages[0]!.topic)).size).toBe(1)
    // Nobody is there, and nobody minds.
    await server.server.publish({ subject: 'nobody' }, 'hello?')
  })

  test('reaches a device that comes when all others have gone', async ({ scene }) => {
    const server = await scene.sessionServer({ authenticate: () => 'ann' })
    const first = scene.connect(server.url, {}, 'first').listen(scene)
    await scene.isOpen(first)
    await server.server.publish({ subject: 'ann' }, 'one')
    await texts(scene, first, 1)
    await first.session.close()
    await scene.journal.until('the end', () => server.sessions[0]!.ended)
    expect(server.server.stats.topics).toBe(0)
    const second = scene.connect(server.url, {}, 'second').listen(scene)
    await scene.isOpen(second)
    await server.server.publish({ subject: 'ann' }, 'two')
    expect(await texts(scene, second, 1)).toEqual(['two'])
  })

  test('waits for a device whose session has expired meanwhile, if it has heard of the subject before', async ({
    scene,
  }) => {
    const options: ServerOptions = { authenticate: () => 'ann', session: { ttlMs: 50 } }
    const cast = await proxied(scene, options)
    const { server, client, served } = cast
    await server.server.publish({ subject: 'ann' }, 'first')
    await texts(scene, client, 1)
    await away(scene, cast)
    await scene.journal.until('the end', () => served.ended)
    await server.server.publish({ subject: 'ann' }, 'second')
    cast.door.open()
    expect(await texts(scene, client, 2)).toEqual(['first', 'second'])
    await server.server.publish({ subject: 'ann' }, 'third')
    expect(await texts(scene, client, 3)).toEqual(['first', 'second', 'third'])
    expect(client.gaps.filter(({ stream }) => stream === 'topic')).toEqual([])
  })
})

describe('what is published to a list of sessions', () => {
  async function group(scene: SessionScene) {
    const cast = await proxied(scene)
    const others = [1, 2].map((number) => scene.connect(cast.server.url, {}, `other ${number}`).listen(scene))
    for (const other of others) await scene.isOpen(other)
    return { ...cast, others }
  }
  const sessionOf = (server: ObservedServer, client: ObservedSession) => servedOf(server, client).session

  test('reaches each of them once, also one that is away, and nobody else', async ({ scene }) => {
    const { server, client, others, ...rest } = await group(scene)
    const [other, stranger] = others as [ObservedSession, ObservedSession]
    const list = [sessionOf(server, client), sessionOf(server, other)]
    await away(scene, { server, client, ...rest })
    await server.server.publish(list, 'first')
    // The same list in another order.
    await server.server.publish(list.toReversed(), 'second')
    expect(await texts(scene, other, 2)).toEqual(['first', 'second'])
    rest.door.open()
    expect(await texts(scene, client, 2)).toEqual(['first', 'second'])
    await server.server.publish([sessionOf(server, stranger)], 'third')
    expect(await texts(scene, stranger, 1)).toEqual(['third'])
    expect([client.texts, other.texts]).toEqual([
      ['first', 'second'],
      ['first', 'second'],
    ])
  })

  test('does not mind those that are over', async ({ scene }) => {
    const { server, client, others } = await group(scene)
    const [other] = others as [ObservedSession]
    const list = [sessionOf(server, client), sessionOf(server, other)]
    await other.session.close()
    await scene.journal.until('the end', () => list[1]!.end)
    await server.server.publish(list, 'first')
    expect(await texts(scene, client, 1)).toEqual(['first'])
    await server.server.publish([list[1]!], 'nobody')
  })
})

describe('with `except`', () => {
  test.for(['session', 'id'] as const)(
    'one session, given as %s, does not get it: not now, and not when it comes back',
    async (how, { scene }) => {
      const cast = await proxied(scene)
      const { server, client, served } = cast
      const other = scene.connect(server.url, {}, 'other')
      const [mine, theirs] = [client, other].map((each) => subscribe(scene, each, 'news'))
      for (const observed of [mine!, theirs!]) await isSubscribed(scene, observed)
      const except = how === 'id' ? served.session.id : served.session
      const topic = server.server.topic('news')
      const publishAll = async (from: number) => {
        await topic.publish(`for all ${from}`)
        await topic.publish(`not for one ${from + 1}`, { except })
        await topic.publish(`not for one ${from + 2}`, { except })
        await topic.publish(`for all ${from + 3}`)
        // In one turn of the event loop, and at the end of the log.
        void topic.publish(`for all ${from + 4}`)
        await topic.publish(`not for one ${from + 5}`, { except })
      }
      await publishAll(1)
      await texts(scene, theirs!, 6)
      expect(await texts(scene, mine!, 3)).toEqual(['for all 1', 'for all 4', 'for all 5'])
      await eventually(scene, 'the position', () => mine!.subscription.position!.offset === 6)
      await away(scene, cast)
      await publishAll(7)
      cast.door.open()
      expect((await texts(scene, mine!, 6)).slice(3)).toEqual(['for all 7', 'for all 10', 'for all 11'])
      await eventually(scene, 'the position', () => mine!.subscription.position!.offset === 12)
      expect(await texts(scene, theirs!, 12)).toHaveLength(12)
      expect([mine!.gaps, theirs!.gaps]).toEqual([[], []])
      // It is in the history all the same.
      expect(await topic.history()).toHaveLength(12)
    },
  )

  test('it goes for volatile messages, subjects and lists, too', async ({ scene }) => {
    const server = await scene.sessionServer({ authenticate: () => 'ann', authorize: isTrue })
    const clients = [1, 2].map((number) => scene.connect(server.url, {}, `client ${number}`).listen(scene))
    const [mine, theirs] = clients.map((client) => subscribe(scene, client, 'news'))
    for (const observed of [mine!, theirs!]) await isSubscribed(scene, observed)
    const except = servedOf(server, clients[0]!).session
    await server.server.publish('news', 'volatile', { except, volatile: true })
    expect(await texts(scene, theirs!, 1)).toEqual(['volatile'])
    await server.server.publish('news', 'for all')
    expect(await texts(scene, theirs!, 2)).toEqual(['volatile', 'for all'])
    expect(await texts(scene, mine!, 1)).toEqual(['for all'])
    await server.server.publish({ subject: 'ann' }, 'subject', { except })
    await server.server.publish({ subject: 'ann' }, 'for all')
    const list = server.sessions.map(({ session }) => session)
    await server.server.publish(list, 'list', { except: except.id })
    await server.server.publish(list, 'for all')
    expect((await texts(scene, clients[1]!, 4)).sort()).toEqual(['for all', 'for all', 'list', 'subject'])
    expect(await texts(scene, clients[0]!, 2)).toEqual(['for all', 'for all'])
  })
})

describe('what is volatile', () => {
  test('reaches those who are there, behind what was stored in the same turn, has no position, and is never stored', async ({
    scene,
  }) => {
    const cast = await proxied(scene)
    const { server, client } = cast
    const topic = server.server.topic('news')
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    void topic.publish('one')
    expect(await topic.publish('volatile', { volatile: true })).toBeUndefined()
    expect(await topic.publish(new Uint8Array([1, 2]), { volatile: true })).toBeUndefined()
    await texts(scene, observed, 3)
    await topic.publish('two')
    await texts(scene, observed, 4)
    expect(observed.offsets).toEqual([1, undefined, undefined, 2])
    expect(observed.messages[2]!.data).toEqual(new Uint8Array([1, 2]))
    expect(observed.messages[1]!.id).toBe('')
    expect(await topic.info()).toMatchObject({ last: 2, messages: 2, bytes: 6 })
    await away(scene, cast)
    await topic.publish('nobody gets it', { volatile: true })
    await topic.publish('three')
    cast.door.open()
    expect((await texts(scene, observed, 5)).at(-1)).toBe('three')
    expect(observed.messages).toHaveLength(5)
    expect(observed.gaps).toEqual([])
  })

  test('is not handed over again when its handler fails', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const observed = subscribe(scene, client, 'news', {}, false)
    await isSubscribed(scene, observed)
    const seen: string[] = []
    observed.subscription.on('message', ({ data }) => {
      seen.push(String(data))
      scene.journal.note('message', data)
      if (data === 'volatile') throw new Error('not me')
    })
    await server.server.publish('news', 'volatile', { volatile: true })
    await scene.journal.until('the failure', () => observed.errors[0])
    await server.server.publish('news', 'stored')
    await scene.journal.until('the next one', () => seen.length === 2)
    expect(seen).toEqual(['volatile', 'stored'])
    expect(observed.errors).toMatchObject([{ code: 'ERR_HANDLER' }])
  })

  test('is dropped, and counted, for a client that takes nothing: for that one alone, and only what does not fit', async ({
    scene,
  }) => {
    const { server, clients, subscriptions } = await audience(scene, 2)
    const [reading] = subscriptions
    const { session } = clients[1]!
    subscriptions[1]!.subscription.unsubscribe()
    const stuck = session.subscribe('news')
    const got: number[] = []
    let goOn = () => {}
    const wait = new Promise<void>((resolve) => (goOn = resolve))
    stuck.on('message', ({ data }) => {
      got.push(Number(String(data).slice(0, 4)))
      scene.journal.note('stuck: message')
      return wait
    })
    await eventually(scene, 'the subscription', () => stuck.state === 'subscribed')
    // A window takes 262,144 bytes, and a frame goes as a whole.
    const FRAMES = 8
    const PER_FRAME = 50
    const FIT = Math.floor(262_144 / (PER_FRAME * 1_024)) * PER_FRAME
    for (let frame = 0; frame < FRAMES; frame++) {
      for (let index = 0; index < PER_FRAME; index++) {
        const number = String(frame * PER_FRAME + index).padStart(4, '0')
        void server.server.publish('news', number + 'x'.repeat(1_020), { volatile: true })
      }
      await texts(scene, reading!, (frame + 1) * PER_FRAME)
    }
    expect(reading!.messages).toHaveLength(FRAMES * PER_FRAME)
    expect(server.server.stats.dropped).toBe(FRAMES * PER_FRAME - FIT)
    goOn()
    await scene.journal.until('what fitted', () => got.length === FIT)
    expect(got).toEqual(Array.from({ length: FIT }, (_, index) => index))
    // It takes part again, as soon as the server knows.
    const { dropped } = server.server.stats
    await server.server.publish('news', '9999')
    await scene.journal.until('what is stored', () => got.includes(9_999))
    await eventually(scene, 'volatile messages again', () => {
      if (!got.includes(8_888)) void server.server.publish('news', '8888', { volatile: true })
      return got.includes(8_888)
    })
    expect(dropped).toBe(FRAMES * PER_FRAME - FIT)
    expect(clients[1]!.states.map(({ state }) => state)).toEqual(['connecting', 'open'])
  })
})
