import { describe, expect } from 'vitest'
import type { AuthorizeContext } from '../../src/server/index.ts'
import { numbered, test } from './session-scene.ts'
import { away, eventually, isSubscribed, isTrue, proxied, publish, subscribe, texts } from './topic-scene.ts'

describe('without `authorize`', () => {
  test('clients get no topic, and the server says why, once', async ({ scene }) => {
    const { server, client } = await proxied(scene, { authorize: undefined as never })
    const all = ['a', 'b'].map((topic) => subscribe(scene, client, topic))
    await scene.journal.until('the refusals', () => all.every(({ ends }) => ends[0]))
    expect(all.map(({ ends }) => ends)).toEqual([['unauthorized'], ['unauthorized']])
    expect(server.errors).toMatchObject([
      { code: 'ERR_NO_AUTHORIZE', message: expect.stringMatching(/"a".*`authorize`/) },
    ])
    expect(client.states).toHaveLength(2)
    expect(server.server.stats).toMatchObject({ topics: 0, subscriptions: 0, violations: 0 })
    // Whoever does not listen is told by an error of the session.
    client.session.subscribe('c')
    await scene.journal.until('the error', () => client.errors[0])
    expect(client.errors).toMatchObject([
      { code: 'ERR_UNSUBSCRIBED', message: expect.stringContaining('unauthorized') },
    ])
  })
})

describe('`authorize`', () => {
  test.for(['at once', 'later'])(
    'is told who wants what, and what it says %s goes, whatever it is',
    async (when, { scene }) => {
      const asked: AuthorizeContext[] = []
      const answers: Record<string, unknown> = { yes: true, no: false, nothing: undefined, text: 'yes' }
      const { server, client, served } = await proxied(scene, {
        authenticate: () => ({ subject: 'ann', roles: ['reader'] }),
        authorize: (context) => {
          asked.push(context)
          const answer = answers[context.topic] as boolean
          return when === 'at once' ? answer : new Promise((resolve) => setImmediate(resolve, answer))
        },
      })
      const all = Object.keys(answers).map((topic) => subscribe(scene, client, topic))
      await scene.journal.until('all answers', () => all.every(({ ends, positions }) => ends[0] ?? positions[0]))
      expect(all.map(({ ends }) => ends)).toEqual([[], ['unauthorized'], ['unauthorized'], []])
      expect(asked.map(({ topic }) => topic)).toEqual(Object.keys(answers))
      expect(asked[0]!.identity).toEqual({ subject: 'ann', roles: ['reader'] })
      expect(asked[0]!.session).toBe(served.session)
      for (const topic of Object.keys(answers)) await publish(server.server, topic, [topic])
      for (const index of [0, 3]) expect(await texts(scene, all[index]!, 1)).toEqual([Object.keys(answers)[index]])
      expect([all[1]!.texts, all[2]!.texts]).toEqual([[], []])
    },
  )

  test.for(['throws', 'rejects'])(
    'that %s sends the client away with 4803; it comes back and asks again, and loses nothing',
    async (how, { scene }) => {
      let failures = 0
      let mayFail = true
      const cause = new Error('no database')
      const { server, client } = await proxied(scene, {
        authorize: ({ topic }) => {
          if (topic === 'news' && mayFail && failures < 3) {
            failures++
            if (how === 'throws') throw cause
            return Promise.reject(cause)
          }
          return true
        },
      })
      mayFail = false
      const other = subscribe(scene, client, 'other')
      await isSubscribed(scene, other)
      mayFail = true
      const observed = subscribe(scene, client, 'news', { from: 'first' })
      await publish(server.server, 'news', ['n 1'])
      await publish(server.server, 'other', ['o 1'])
      expect(await texts(scene, observed, 1)).toEqual(['n 1'])
      expect(await texts(scene, other, 1)).toEqual(['o 1'])
      expect(client.states.flatMap(({ ending }) => (ending ? [ending.code] : []))).toEqual([4803, 4803, 4803])
      expect(server.errors).toMatchObject(Array.from({ length: 3 }, () => ({ code: 'ERR_PROVIDER', cause })))
      expect([observed.ends, client.gaps, server.sessions.length]).toEqual([[], [], 1])
      // Nobody was told that it is there while it was not.
      const { resumes, disconnects } = server.sessions[0]!
      expect(disconnects.map(({ code }) => code)).toEqual([4803, 4803, 4803])
      expect(resumes.length).toBeGreaterThan(0)
      expect(resumes.length).toBeLessThanOrEqual(3)
      expect(server.sessions[0]!.session.isConnected).toBe(true)
    },
  )

  test('that throws is not asked for the rest of what a client comes back with', async ({ scene }) => {
    const asked: string[] = []
    let isFailing = false
    const cast = await proxied(scene, {
      authorize: ({ topic }) => {
        asked.push(topic)
        if (isFailing && topic === 'a') throw new Error('no database')
        return true
      },
    })
    const { server, client, served, door } = cast
    const all = ['a', 'b', 'c'].map((topic) => subscribe(scene, client, topic))
    for (const observed of all) await isSubscribed(scene, observed)
    await away(scene, cast)
    asked.length = 0
    isFailing = true
    door.open()
    await scene.journal.until('the error', () => server.errors[0])
    isFailing = false
    expect(asked).toEqual(['a'])
    door.shut()
    door.open()
    for (const observed of all) await isSubscribed(scene, observed, 2)
    expect(served.disconnects.map(({ code }) => code)).toContain(4803)
    expect(served.resumes).toHaveLength(1)
  })

  test('is asked again at every resume: what was revoked while the client was away ends, the rest goes on', async ({
    scene,
  }) => {
    const asked: string[] = []
    const allowed = new Set(['kept', 'revoked'])
    const cast = await proxied(scene, {
      authorize: ({ topic }) => {
        asked.push(topic)
        return allowed.has(topic)
      },
    })
    const { server, client, door } = cast
    const [kept, revoked] = ['kept', 'revoked'].map((topic) => subscribe(scene, client, topic))
    for (const observed of [kept!, revoked!]) await isSubscribed(scene, observed)
    await publish(server.server, 'revoked', ['r 1'])
    await texts(scene, revoked!, 1)
    await away(scene, cast)
    allowed.delete('revoked')
    for (const topic of ['kept', 'revoked']) await publish(server.server, topic, ['while away'])
    door.open()
    await scene.journal.until('the end', () => revoked!.ends[0])
    expect(await texts(scene, kept!, 1)).toEqual(['while away'])
    expect([revoked!.ends, revoked!.texts]).toEqual([['unauthorized'], ['r 1']])
    expect(asked).toEqual(['kept', 'revoked', 'kept', 'revoked'])
    expect(server.server.topic('revoked').subscribers).toBe(0)
    await publish(server.server, 'revoked', ['r 3'])
    await publish(server.server, 'kept', ['k 2'])
    await texts(scene, kept!, 2)
    expect(revoked!.texts).toEqual(['r 1'])
  })

  test('that has not answered when the client unsubscribes, or goes, does not matter any more', async ({ scene }) => {
    const waiting: ((isAllowed: boolean) => void)[] = []
    const cast = await proxied(scene, {
      authorize: ({ topic }) => topic === 'other' || new Promise<boolean>((resolve) => waiting.push(resolve)),
    })
    const { server, client, door } = cast
    const [first, second] = ['first', 'second'].map((topic) => subscribe(scene, client, topic))
    await eventually(scene, 'both questions', () => waiting.length === 2)
    first!.subscription.unsubscribe()
    await isSubscribed(scene, subscribe(scene, client, 'other'))
    waiting[0]!(true)
    await away(scene, cast)
    waiting[1]!(false)
    await new Promise(setImmediate)
    expect(second!.ends).toEqual([])
    expect(server.server.topic('first').subscribers).toBe(0)
    door.open()
    await eventually(scene, 'the question again', () => waiting.length === 3)
    waiting[2]!(true)
    await isSubscribed(scene, second!)
    await publish(server.server, 'second', ['s 1'])
    expect(await texts(scene, second!, 1)).toEqual(['s 1'])
    expect([first!.positions, first!.ends]).toEqual([[], []])
    expect(server.server.stats.topics).toBe(2)
  })
})

describe('`session.reauthorize()`', () => {
  test('ends what the client may no longer have, at once, and leaves alone what the server has made', async ({
    scene,
  }) => {
    const allowed = new Set(['a', 'b'])
    const asked: string[] = []
    const { server, client, served } = await proxied(scene, {
      authorize: async ({ topic }) => {
        asked.push(topic)
        return allowed.has(topic)
      },
    })
    const [a, b] = ['a', 'b'].map((topic) => subscribe(scene, client, topic))
    await served.session.subscribe('server’s')
    for (const observed of [a!, b!]) await isSubscribed(scene, observed)
    allowed.delete('a')
    await served.session.reauthorize()
    expect(served.session.subscriptions.toSorted()).toEqual(['b', 'server’s'])
    for (const topic of ['a', 'b', 'server’s']) await publish(server.server, topic, ['later'])
    await scene.journal.until('the end', () => a!.ends[0])
    expect(await texts(scene, b!, 1)).toEqual(['later'])
    expect(await texts(scene, client, 1)).toEqual(['later'])
    expect([a!.ends, a!.texts]).toEqual([['unauthorized'], []])
    expect(asked).toEqual(['a', 'b', 'a', 'b'])
  })

  test('rejects with what `authorize` throws, and nothing ends', async ({ scene }) => {
    const cause = new Error('no database')
    let isFailing = false
    const { server, client, served } = await proxied(scene, {
      authorize: () => {
        if (isFailing) throw cause
        return isTrue()
      },
    })
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    isFailing = true
    await expect(served.session.reauthorize()).rejects.toBe(cause)
    await publish(server.server, 'news', numbered('n', 2))
    expect(await texts(scene, observed, 2)).toEqual(numbered('n', 2))
    expect(client.states).toHaveLength(2)
  })
})
