import { describe, expect, vi } from 'vitest'
import type { From } from '../../src/protocol/frame.ts'
import type { ServerOptions } from '../../src/server/index.ts'
import { numbered, test } from './session-scene.ts'
import { away, eventually, isSubscribed, proxied, publish, servedOf, subscribe, texts } from './topic-scene.ts'

describe('a subscription begins', () => {
  test.for<[string, From | undefined, number]>([
    ['behind all that there is', undefined, 11],
    ['behind all that there is', 'now', 11],
    ['before all that is kept', 'first', 3],
    ['before the last few', { last: 2 }, 9],
    ['before all that is kept, if that is less than the last few', { last: 100 }, 3],
    ['behind all that there is, if it wants none of it', { last: 0 }, 11],
    ['behind a position', { generation: 'right', offset: 5 }, 6],
    ['behind a position that is the last one', { generation: 'right', offset: 10 }, 11],
  ])('%s: %j', async ([, given, first], { scene }) => {
    const { server, client } = await proxied(scene, { topics: { maxMessages: 8 } })
    await publish(server.server, 'news', numbered('n', 10))
    const { generation } = await server.server.topic('news').info()
    const from = typeof given === 'object' && 'generation' in given ? { ...given, generation } : given
    const observed = subscribe(scene, client, 'news', from ? { from } : {})
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['n 11'])
    await scene.journal.until('the last one', () => observed.texts.at(-1) === 'n 11')
    expect(observed.texts).toEqual(numbered('n', 12 - first, first))
    expect(observed.positions).toEqual([{ generation, offset: first - 1 }])
    expect(observed.subscription.position).toEqual({ generation, offset: 11 })
    expect(observed.gaps).toEqual([])
  })

  test('behind a position that is no longer kept, with an exact gap', async ({ scene }) => {
    const { server, client } = await proxied(scene, { topics: { maxMessages: 8 } })
    await publish(server.server, 'news', numbered('n', 10))
    const { generation } = await server.server.topic('news').info()
    const observed = subscribe(scene, client, 'news', { from: { generation, offset: 0 } })
    expect(await texts(scene, observed, 8)).toEqual(numbered('n', 8, 3))
    expect(observed.gaps).toMatchObject([{ generation, from: 1, to: 2, reason: 'overflow' }])
  })

  test('in another history with all that there is, and a gap that says so', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    await publish(server.server, 'news', numbered('n', 3))
    const { generation } = await server.server.topic('news').info()
    const observed = subscribe(scene, client, 'news', { from: { generation: 'another', offset: 2 } })
    expect(await texts(scene, observed, 3)).toEqual(numbered('n', 3))
    expect(observed.positions).toEqual([{ generation, offset: 0 }])
    expect(observed.gaps).toMatchObject([{ generation: 'another', from: 3, to: undefined, reason: 'generation' }])
  })

  test('nowhere behind the end: it is refused, the server keeps nothing of it, and it can be made once more', async ({
    scene,
  }) => {
    const { server, client } = await proxied(scene)
    const { generation } = await server.server.topic('news').info()
    const observed = subscribe(scene, client, 'news', { from: { generation, offset: 1 } })
    await scene.journal.until('the refusal', () => observed.ends[0])
    expect([observed.ends, observed.subscription.state]).toEqual([['position'], 'ended'])
    expect(server.server.stats.subscriptions).toBe(0)
    await eventually(scene, 'no topic', () => !server.server.stats.topics)
    const again = subscribe(scene, client, 'news', { from: { generation, offset: 0 } })
    await isSubscribed(scene, again)
    await publish(server.server, 'news', ['n 1'])
    expect(await texts(scene, again, 1)).toEqual(['n 1'])
  })
})

describe('a subscription', () => {
  test('says what it is about: topic, state and position', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    await publish(server.server, 'news', numbered('n', 2))
    const { generation } = await server.server.topic('news').info()
    const { subscription } = subscribe(scene, client, 'news')
    expect([subscription.topic, subscription.state, subscription.position]).toEqual(['news', 'waiting', undefined])
    await scene.journal.until('the subscription', () => subscription.state === 'subscribed')
    expect(subscription.position).toEqual({ generation, offset: 2 })
    let goOn = () => {}
    subscription.on('message', () => {
      scene.journal.note('asked')
      return new Promise<void>((resolve) => (goOn = resolve))
    })
    await publish(server.server, 'news', ['n 3'])
    await scene.journal.until('the message', () => scene.journal.toString().includes('asked'))
    expect(subscription.position).toEqual({ generation, offset: 2 })
    goOn()
    await eventually(scene, 'it is handled', () => subscription.position!.offset === 3)
    await client.session.close()
    expect(subscription.state).toBe('ended')
  })

  test('made before there is a connection, with hundreds of others that do not fit into HELLO, begins; all go on where they were, from then on', async ({
    scene,
  }) => {
    const COUNT = 400
    const asked: string[] = []
    const server = await scene.sessionServer({
      authorize: ({ topic }) => {
        asked.push(topic)
        return true
      },
    })
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url)
    const topics = Array.from({ length: COUNT }, (_, index) => `rooms/a rather long name ✓/${index}`)
    const all = topics.map((topic) => subscribe(scene, client, topic))
    await scene.journal.until('all of them', () => all.every(({ positions }) => positions.length))
    expect(asked).toEqual(topics)
    expect(server.server.stats).toMatchObject({ topics: COUNT, subscriptions: COUNT })
    for (const topic of topics) await publish(server.server, topic, [`1 of ${topic}`])
    await scene.journal.until('the first ones', () => all.every(({ messages }) => messages.length))
    proxy.reset()
    for (const topic of topics) await publish(server.server, topic, [`2 of ${topic}`])
    await scene.journal.until('the second ones', () => all.every(({ messages }) => messages.length > 1))
    expect(client.resumes).toHaveLength(1)
    for (const topic of topics) await publish(server.server, topic, [`3 of ${topic}`])
    await scene.journal.until('the third ones', () => all.every(({ messages }) => messages.length > 2))
    expect(all.map((observed) => observed.texts)).toEqual(
      topics.map((topic) => [1, 2, 3].map((n) => `${n} of ${topic}`)),
    )
    expect(all.flatMap(({ gaps, ends }) => [...gaps, ...ends])).toEqual([])
    expect(asked).toEqual([...topics, ...topics])
    expect(client.errors).toEqual([])
    // Some were told in the upgrade, others behind it.
    const { frame } = client.transports[1]!.frames[0]!
    expect(frame.type).toBe('welcome')
    expect(client.transports[1]!.sent.filter((sent) => String(sent).startsWith('S')).length).toBeGreaterThan(0)
    expect(client.transports[1]!.sent.filter((sent) => String(sent).startsWith('S')).length).toBeLessThan(COUNT)
  })

  test('of a topic that there is already is refused here; of one that has ended it is not', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const observed = subscribe(scene, client, 'news')
    expect(() => client.session.subscribe('news')).toThrow(
      expect.objectContaining({ code: 'ERR_SUBSCRIBED', message: expect.stringContaining('news') }),
    )
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['n 1'])
    await texts(scene, observed, 1)
    observed.subscription.unsubscribe()
    const again = subscribe(scene, client, 'news', { from: 'first' })
    expect(await texts(scene, again, 1)).toEqual(['n 1'])
    await publish(server.server, 'news', ['n 2'])
    expect(await texts(scene, again, 2)).toEqual(['n 1', 'n 2'])
    expect([observed.texts, observed.ends, observed.subscription.state]).toEqual([['n 1'], [], 'ended'])
  })

  test('cannot be made in a session that is closed', async ({ scene }) => {
    const { client } = await proxied(scene)
    await client.session.close()
    expect(() => client.session.subscribe('news')).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CLOSED' }))
  })

  test('that has ended hands nothing over, whoever begins to listen then', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const { subscription } = subscribe(scene, client, 'news', {}, false)
    await scene.journal.until('the subscription', () => subscription.state === 'subscribed')
    const other = subscribe(scene, client, 'other')
    await isSubscribed(scene, other)
    await publish(server.server, 'news', numbered('n', 3))
    await publish(server.server, 'other', ['behind it'])
    await texts(scene, other, 1)
    const late = vi.fn<() => void>()
    subscription.on('message', late)
    subscription.unsubscribe()
    subscription.on('message', late)
    await publish(server.server, 'news', ['n 4'])
    await publish(server.server, 'other', ['behind that'])
    await texts(scene, other, 2)
    expect(late).not.toHaveBeenCalled()
    await eventually(scene, 'the server to know', () => !server.server.topic('news').subscribers)
  })

  test('that is ended by its own handler gets nothing more of what came together', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const { subscription } = subscribe(scene, client, 'news', {}, false)
    const other = subscribe(scene, client, 'other')
    await isSubscribed(scene, other)
    const seen: unknown[] = []
    subscription.on('message', ({ data }) => {
      seen.push(data)
      if (data === 'n 2') subscription[Symbol.dispose]()
    })
    for (const text of numbered('n', 5)) void server.server.publish('news', text)
    void server.server.publish('other', 'behind them')
    await texts(scene, other, 1)
    await eventually(scene, 'the server to know', () => !server.server.topic('news').subscribers)
    expect([seen, client.states.length]).toEqual([['n 1', 'n 2'], 2])
  })

  test('begins and goes on, too, when HELLO is too long for the upgrade', async ({ scene }) => {
    const cast = await proxied(scene, {}, { auth: 'x'.repeat(5_000) })
    const { server, client, door } = cast
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await away(scene, cast)
    await publish(server.server, 'news', ['n 1'])
    door.open()
    expect(await texts(scene, observed, 1)).toEqual(['n 1'])
    expect(client.transport.protocols).toHaveLength(1)
    expect(observed.gaps).toEqual([])
  })

  test('can be ended while there is no connection: the server knows it as soon as there is one', async ({ scene }) => {
    const cast = await proxied(scene)
    const { server, client, door } = cast
    const [kept, ended] = ['kept', 'ended'].map((topic) => subscribe(scene, client, topic))
    for (const observed of [kept!, ended!]) await isSubscribed(scene, observed)
    await away(scene, cast)
    ended!.subscription.unsubscribe()
    expect(server.server.topic('ended').subscribers).toBe(1)
    for (const topic of ['kept', 'ended']) await publish(server.server, topic, ['while away'])
    door.open()
    expect(await texts(scene, kept!, 1)).toEqual(['while away'])
    await eventually(scene, 'the server to know', () => !server.server.topic('ended').subscribers)
    expect([ended!.texts, ended!.ends]).toEqual([[], []])
    expect(client.states.filter(({ state }) => state === 'open')).toHaveLength(2)
  })

  test('can be ended and made again while there is no connection: only the new one gets messages, and from where it says', async ({
    scene,
  }) => {
    const cast = await proxied(scene)
    const { server, client, door } = cast
    const first = subscribe(scene, client, 'news')
    await isSubscribed(scene, first)
    await away(scene, cast)
    await publish(server.server, 'news', numbered('n', 3))
    first.subscription.unsubscribe()
    const second = subscribe(scene, client, 'news', { from: { last: 1 } })
    door.open()
    expect(await texts(scene, second, 1)).toEqual(['n 3'])
    await publish(server.server, 'news', ['n 4'])
    expect(await texts(scene, second, 2)).toEqual(['n 3', 'n 4'])
    expect([first.texts, first.ends]).toEqual([[], []])
    expect(server.server.topic('news').subscribers).toBe(1)
  })

  test('hands its position to another session, which goes on exactly there', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', numbered('n', 3))
    await texts(scene, observed, 3)
    const { position } = observed.subscription
    await client.session.close()
    await publish(server.server, 'news', numbered('n', 3, 4))
    const other = scene.connect(server.url, {}, 'other')
    const next = subscribe(scene, other, 'news', { from: JSON.parse(JSON.stringify(position)) })
    expect(await texts(scene, next, 3)).toEqual(numbered('n', 3, 4))
    expect(next.gaps).toEqual([])
  })

  test('outlives its session: after the expiry it goes on in a new one, without loss', async ({ scene }) => {
    const cast = await proxied(scene, { session: { ttlMs: 50 } })
    const { server, client, served, door } = cast
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['n 1'])
    await texts(scene, observed, 1)
    await away(scene, cast)
    await publish(server.server, 'news', ['n 2'])
    await scene.journal.until('the end', () => served.ended)
    await publish(server.server, 'news', ['n 3'])
    door.open()
    expect(await texts(scene, observed, 3)).toEqual(numbered('n', 3))
    expect(observed.gaps).toEqual([])
    expect(client.gaps).toMatchObject([{ stream: 'inbox', reason: 'unknown' }])
    expect(server.sessions).toHaveLength(2)
  })
})

describe('`for await`', () => {
  test('gives the messages one by one: each counts as handled when the next one is asked for, or the loop is left', async ({
    scene,
  }) => {
    const { server, client } = await proxied(scene)
    const subscription = client.session.subscribe('news')
    await eventually(scene, 'the subscription', () => subscription.state === 'subscribed')
    await publish(server.server, 'news', numbered('n', 4))
    const seen: unknown[] = []
    for await (const { data } of subscription) {
      seen.push([data, subscription.position!.offset])
      if (seen.length === 2) break
    }
    expect(seen).toEqual([
      ['n 1', 0],
      ['n 2', 1],
    ])
    await eventually(scene, 'the second one to be handled', () => subscription.position!.offset === 2)
    // Another loop goes on.
    for await (const { data } of subscription) {
      seen.push(data)
      if (seen.length === 4) break
    }
    expect(seen.slice(2)).toEqual(['n 3', 'n 4'])
  })

  test.for(['unsubscribe', 'close', 'server'] as const)('ends with the subscription: %s', async (how, { scene }) => {
    const { server, client, served } = await proxied(scene)
    const subscription = client.session.subscribe('news')
    await eventually(scene, 'the subscription', () => subscription.state === 'subscribed')
    await publish(server.server, 'news', ['n 1'])
    const seen: unknown[] = []
    for await (const { data } of subscription) {
      seen.push(data)
      if (how === 'unsubscribe') subscription.unsubscribe()
      else if (how === 'close') void client.session.close()
      else {
        // What it has been given before comes first.
        if (seen.length === 1) {
          await publish(server.server, 'news', ['n 2'])
          await eventually(scene, 'the second one', () =>
            client.transport.frames.some(({ frame }) => frame.type === 'tdata' && frame.first === 2),
          )
          served.session.unsubscribe('news')
          await eventually(scene, 'the end', () => subscription.state === 'ended')
        }
      }
    }
    expect(seen).toEqual(how === 'server' ? ['n 1', 'n 2'] : ['n 1'])
    expect(subscription.state).toBe('ended')
  })
})

describe('there are at most `maxSubscriptionsPerSession`', () => {
  const limited: ServerOptions = { limits: { maxSubscriptionsPerSession: 2 } }

  test('another one is refused, and nobody else is any the worse for it', async ({ scene }) => {
    const { server, client } = await proxied(scene, limited)
    const all = ['a', 'b', 'c'].map((topic) => subscribe(scene, client, topic))
    await scene.journal.until('the refusal', () => all[2]!.ends[0])
    expect(all.map(({ ends }) => ends)).toEqual([[], [], ['limit']])
    const other = scene.connect(server.url, {}, 'other')
    await isSubscribed(scene, subscribe(scene, other, 'c'))
    all[0]!.subscription.unsubscribe()
    const again = subscribe(scene, client, 'c')
    await isSubscribed(scene, again)
    await publish(server.server, 'c', ['c 1'])
    expect(await texts(scene, again, 1)).toEqual(['c 1'])
    // Whoever has not said that it is interested in the end is told as of an error.
    const unheard = client.session.subscribe('d')
    await scene.journal.until('the error', () => client.errors.length === 1)
    expect(client.errors).toMatchObject([{ code: 'ERR_UNSUBSCRIBED', message: expect.stringContaining('limit') }])
    expect(unheard.state).toBe('ended')
  })

  test('those that come back do not count twice while `authorize` thinks', async ({ scene }) => {
    const waiting: (() => void)[] = []
    let isSlow = false
    const cast = await proxied(scene, {
      limits: { maxSubscriptionsPerSession: 4 },
      authorize: () => (isSlow ? new Promise<boolean>((resolve) => waiting.push(() => resolve(true))) : true),
    })
    const { client, door } = cast
    const old = ['a', 'b'].map((topic) => subscribe(scene, client, topic))
    for (const observed of old) await isSubscribed(scene, observed)
    await away(scene, cast)
    isSlow = true
    const young = ['c', 'd', 'e'].map((topic) => subscribe(scene, client, topic))
    door.open()
    await scene.journal.until('the refusal', () => young[2]!.ends[0])
    expect(waiting).toHaveLength(4)
    for (const goOn of waiting) goOn()
    for (const observed of young.slice(0, 2)) await isSubscribed(scene, observed)
    for (const observed of old) await isSubscribed(scene, observed, 2)
    expect([...old, ...young].map(({ ends }) => ends)).toEqual([[], [], [], [], ['limit']])
  })
})

describe('what cannot be is refused at once, and says what it expected', () => {
  test.for<[string, unknown]>([
    ['no text', 1],
    ['empty', ''],
    ['257 characters', 'x'.repeat(257)],
    ['the server’s', '$subject:ann'],
  ])('a name that is %s', async ([, topic], { scene }) => {
    const { server, client, served } = await proxied(scene)
    const expected = expect.objectContaining({
      code: 'ERR_OPTION',
      message: 'Expected `topic` to be text of 1 to 256 characters that does not begin with $.',
    })
    const name = topic as string
    expect(() => client.session.subscribe(name)).toThrow(expected)
    expect(() => served.session.subscribe(name)).toThrow(expected)
    expect(() => server.server.topic(name)).toThrow(expected)
    if (typeof topic === 'string') expect(() => server.server.publish(name, 'data')).toThrow(expected)
    await isSubscribed(scene, subscribe(scene, client, 'x'.repeat(256)))
  })

  test('an option', async ({ scene }) => {
    const { server, client, served } = await proxied(scene)
    const { session } = client
    const refused = (call: () => unknown, text: string) =>
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringContaining(text) }))
    for (const from of ['later', { last: -1 }, { offset: 1 }, null, 5] as unknown[] as From[]) {
      refused(() => session.subscribe('news', { from }), '`from`')
      refused(() => served.session.subscribe('news', { from }), '`from`')
    }
    refused(() => session.subscribe('news', { snapshot: 'yes' as never }), '`snapshot`')
    refused(() => session.subscribe('news', { form: 'first' } as never), '`form`')
    refused(() => served.session.subscribe('news', { form: 'first' } as never), '`form`')
    refused(() => session.subscribe('news').on('mesage' as never, () => {}), 'message, subscribed, gap, ended, error')
    refused(() => server.server.topic('news').on('joined' as never, () => {}), 'join, leave, away, back')
    refused(() => server.server.topic('news', { retain: { maxMessages: 0 } }), '`retain.maxMessages`')
    refused(() => server.server.topic('news', { retain: { max: 1 } as never }), '`retain.max`')
    for (const target of [null, undefined, {}, { subject: '' }, [], 5])
      refused(() => server.server.publish(target as never, 'data'), 'publish to a topic')
    refused(() => server.server.publish([session] as never, 'data'), 'sessions')
    refused(() => server.server.publish('news', 5 as never), 'text')
    for (const except of [null, 5, {}])
      refused(() => server.server.publish('news', 'data', { except } as never), '`except`')
    for (const name of ['after', 'last'])
      await expect(server.server.topic('news').history({ [name]: -1 })).rejects.toMatchObject({
        code: 'ERR_OPTION',
        message: expect.stringContaining(`\`${name}\``),
      })
    await expect(scene.sessionServer({ topics: { maxMesages: 1 } as never })).rejects.toThrow('`topics.maxMesages`')
    await expect(scene.sessionServer({ authorize: true as never })).rejects.toThrow('`authorize`')
    expect(servedOf(server, client).session.isConnected).toBe(true)
    expect(server.server.stats.violations).toBe(0)
  })
})
