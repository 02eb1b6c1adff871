import { describe, expect } from 'vitest'
import type { Position } from '../../src/protocol/frame.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { numbered, test } from './session-scene.ts'
import { away, eventually, isSubscribed, proxied, publish, subscribe, texts } from './topic-scene.ts'

describe('a snapshot', () => {
  test('is loaded when the position is known, before the first message; what is published meanwhile follows', async ({
    scene,
  }) => {
    const { server, client } = await proxied(scene)
    await publish(server.server, 'news', numbered('n', 3))
    const { generation } = await server.server.topic('news').info()
    const contexts: unknown[] = []
    let loaded = () => {}
    const observed = subscribe(scene, client, 'news', {
      snapshot: (context) => {
        contexts.push(context)
        scene.journal.note('snapshot', context)
        return new Promise<void>((resolve) => (loaded = resolve))
      },
    })
    await scene.journal.until('the call', () => contexts[0])
    expect(contexts).toEqual([{ topic: 'news', position: { generation, offset: 3 }, reason: 'initial' }])
    await publish(server.server, 'news', numbered('n', 3, 4))
    await eventually(scene, 'the messages', () => client.transport.frames.some(({ frame }) => frame.type === 'tdata'))
    // They wait, and the position says so.
    expect([observed.texts, observed.subscription.position]).toEqual([[], { generation, offset: 3 }])
    loaded()
    expect(await texts(scene, observed, 3)).toEqual(numbered('n', 3, 4))
    expect(contexts).toHaveLength(1)
  })

  test('may be newer than the position: messages up to what it says are left out', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const { generation } = await server.server.topic('news').info()
    let loaded: (position: Position) => void = () => {}
    let calls = 0
    const observed = subscribe(scene, client, 'news', {
      snapshot: () => {
        scene.journal.note('snapshot', ++calls)
        return new Promise<Position>((resolve) => (loaded = resolve))
      },
    })
    await scene.journal.until('the call', () => calls)
    await publish(server.server, 'news', numbered('n', 5))
    loaded({ generation, offset: 3 })
    expect(await texts(scene, observed, 2)).toEqual(['n 4', 'n 5'])
    expect(observed.subscription.position).toEqual({ generation, offset: 5 })
    // Also such as have not arrived yet.
    const other = scene.connect(server.url, {}, 'other')
    const ahead = subscribe(scene, other, 'news', { from: 'first', snapshot: () => ({ generation, offset: 7 }) })
    await publish(server.server, 'news', numbered('n', 3, 6))
    expect(await texts(scene, ahead, 1)).toEqual(['n 8'])
    expect(ahead.gaps).toEqual([])
  })

  test('that is older than the position is asked for again: what it lacks would be missing', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    await publish(server.server, 'news', numbered('n', 3))
    const offsets = [2, 3]
    const observed = subscribe(scene, client, 'news', {
      snapshot: ({ position: { generation } }) => ({ generation, offset: offsets.shift()! }),
    })
    await scene.journal.until('the failure', () => observed.errors[0])
    await publish(server.server, 'news', ['n 4'])
    expect(await texts(scene, observed, 1)).toEqual(['n 4'])
    expect(offsets).toEqual([])
    expect(observed.errors).toMatchObject([{ code: 'ERR_HANDLER', message: expect.stringContaining('snapshot') }])
  })

  test('of another history, or what is no position, leaves nothing out', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    const all = [{ generation: 'another', offset: 9 }, 'loaded', { offset: 9 }].map((answer, index) =>
      subscribe(scene, client, `news ${index}`, { snapshot: () => answer as never }),
    )
    for (const [index, observed] of all.entries()) {
      await isSubscribed(scene, observed)
      await publish(server.server, `news ${index}`, ['n 1'])
      expect(await texts(scene, observed, 1)).toEqual(['n 1'])
    }
  })

  test('is loaded again after a gap, between the gap and what follows it; not when nothing is missing', async ({
    scene,
  }) => {
    const cast = await proxied(scene, { topics: { maxMessages: 3 } })
    const { server, client, door } = cast
    const seen: unknown[] = []
    const observed = subscribe(
      scene,
      client,
      'news',
      { snapshot: ({ position, reason }) => void seen.push([reason, position.offset]) },
      false,
    )
    observed.subscription.on('gap', ({ from, to }) => seen.push(['gap', from, to]))
    observed.subscription.on('message', ({ data }) => {
      seen.push(data)
      scene.journal.note('message', data)
    })
    await isSubscribed(scene, observed)
    await publish(server.server, 'news', ['n 1'])
    await scene.journal.until('the message', () => seen.includes('n 1'))
    await away(scene, cast)
    await publish(server.server, 'news', ['n 2'])
    door.open()
    await scene.journal.until('the message', () => seen.includes('n 2'))
    await away(scene, cast)
    await publish(server.server, 'news', numbered('n', 5, 3))
    door.open()
    await scene.journal.until('the last one', () => seen.includes('n 7'))
    expect(seen).toEqual([['initial', 0], 'n 1', 'n 2', ['gap', 3, 4], ['overflow', 4], 'n 5', 'n 6', 'n 7'])
  })

  test('that fails is loaded again, later; messages wait for it, and other topics do not', async ({ scene }) => {
    const { server, client } = await proxied(scene)
    let calls = 0
    const observed = subscribe(scene, client, 'news', {
      snapshot: async () => {
        scene.journal.note('snapshot', ++calls)
        if (calls === 1) throw new Error('no server')
      },
    })
    const other = subscribe(scene, client, 'other')
    await scene.journal.until('the failure', () => observed.errors[0])
    await publish(server.server, 'news', ['n 1'])
    await publish(server.server, 'other', ['o 1'])
    expect(await texts(scene, other, 1)).toEqual(['o 1'])
    expect([observed.texts, calls]).toEqual([[], 1])
    expect(await texts(scene, observed, 1)).toEqual(['n 1'])
    expect(calls).toBe(2)
    expect(observed.errors).toMatchObject([{ code: 'ERR_HANDLER', cause: { message: 'no server' } }])
  })

  test('that is still loading when the connection goes, or the subscription ends, does no harm', async ({ scene }) => {
    const cast = await proxied(scene)
    const { server, client, door } = cast
    const loads: (() => void)[] = []
    const snapshot = () => new Promise<void>((resolve) => void loads.push(resolve))
    const [kept, ended] = ['kept', 'ended'].map((topic) => subscribe(scene, client, topic, { snapshot }))
    await eventually(scene, 'both calls', () => loads.length === 2)
    await away(scene, cast)
    ended!.subscription.unsubscribe()
    await publish(server.server, 'kept', ['k 1'])
    door.open()
    await scene.isOpen(client)
    for (const loaded of loads) loaded()
    expect(await texts(scene, kept!, 1)).toEqual(['k 1'])
    expect([loads.length, ended!.texts]).toEqual([2, []])
  })
})

test.for([1, 2, 3])(
  'a state that is loaded and the messages behind it never miss a change nor count one twice, however they race (seed %i)',
  async (seed, { scene }) => {
    const random = seededRandom(seed)
    // Few are kept: so there are gaps, and more to load.
    const cast = await proxied(scene, { topics: { maxMessages: 4 } })
    const { server, client, door } = cast
    const topic = server.server.topic('sums')
    // What the server has: a sum, and where in the topic that is.
    let state: { sum: number; position: Position } = { sum: 0, position: { generation: '', offset: 0 } }
    const pause = () => new Promise((resolve) => void setTimeout(resolve, random() * 4))
    const change = async () => {
      const amount = 1 + Math.floor(random() * 1_000)
      // A memory store answers in the same turn, so that the two never differ.
      const published = topic.publish(String(amount))
      const sum = state.sum + amount
      state = { sum, position: { ...state.position, offset: state.position.offset + 1 } }
      expect(await published).toMatchObject({ offset: expect.any(Number) })
    }
    const { generation } = await topic.info()
    state.position = { generation, offset: 0 }
    let mine = NaN
    let loads = 0
    const reasons = new Set<string>()
    const { subscription } = subscribe(
      scene,
      client,
      'sums',
      {
        snapshot: async ({ reason }) => {
          loads++
          reasons.add(reason)
          await pause()
          const { sum, position } = state
          await pause()
          mine = sum
          return position
        },
      },
      false,
    )
    subscription.on('message', ({ data }) => {
      mine += Number(data)
      return random() < 0.3 ? pause() : undefined
    })
    for (let round = 0; round < 6; round++) {
      for (let changes = 0; changes < 12; changes++) {
        await change()
        if (random() < 0.7) await pause()
      }
      await away(scene, cast)
      for (let changes = Math.floor(random() * 10); changes > 0; changes--) await change()
      door.open()
    }
    await eventually(scene, 'all of it', () => subscription.position?.offset === state.position.offset)
    expect(mine).toBe(state.sum)
    expect(await topic.info()).toMatchObject({ last: state.position.offset })
    expect(loads).toBeGreaterThan(1)
    expect(reasons).toContain('overflow')
  },
)
