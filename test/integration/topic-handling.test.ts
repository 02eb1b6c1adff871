import { describe, expect } from 'vitest'
import type { Subscription } from '../../src/client/index.ts'
import { numbered, test, type SessionScene } from './session-scene.ts'
import { away, eventually, isSubscribed, proxied, publish, subscribe, texts } from './topic-scene.ts'

/** Takes messages, and is never done with the first one before it is told to. */
function stuck(scene: SessionScene, subscription: Subscription) {
  const got: string[] = []
  let goOn = () => {}
  const wait = new Promise<void>((resolve) => (goOn = resolve))
  subscription.on('message', ({ data }) => {
    got.push(String(data).split('|')[0]!)
    scene.journal.note(`${subscription.topic} stuck: message`)
    return wait
  })
  return { got, goOn }
}

/** More than a window takes, by count or by bytes. */
const floods: Record<string, string[]> = {
  'many small messages': numbered('n', 6_000),
  'many bytes': numbered('n', 400).map((text) => `${text}|${'x'.repeat(2_000)}`),
}
const names = (messages: readonly string[]): string[] => messages.map((text) => text.split('|')[0]!)

describe('a handler that fails', () => {
  test('is given the message again, later, marked as such; those behind it wait, those of other topics and the inbox do not', async ({
    scene,
  }) => {
    const { server, client, served } = await proxied(scene)
    const failing = subscribe(scene, client, 'failing', {}, false)
    const other = subscribe(scene, client, 'other')
    for (const observed of [failing, other]) await isSubscribed(scene, observed)
    const seen: unknown[] = []
    let failures = 0
    failing.subscription.on('message', async ({ data, redelivered, id }) => {
      seen.push([data, redelivered])
      scene.journal.note('failing', [data, redelivered, id])
      if (data === 'f 2' && !failures++) throw new Error('not now')
    })
    await publish(server.server, 'failing', numbered('f', 3))
    await scene.journal.until('the failure', () => failing.errors[0])
    expect(failing.errors).toMatchObject([{ code: 'ERR_HANDLER', cause: { message: 'not now' } }])
    await publish(server.server, 'other', numbered('o', 3))
    void served.session.send('inbox')
    expect(await texts(scene, other, 3)).toEqual(numbered('o', 3))
    expect(await texts(scene, client, 1)).toEqual(['inbox'])
    expect(seen).toEqual([
      ['f 1', false],
      ['f 2', false],
    ])
    expect(failing.subscription.position!.offset).toBe(1)
    await scene.journal.until('the rest', () => seen.length === 4)
    expect(seen.slice(2)).toEqual([
      ['f 2', true],
      ['f 3', false],
    ])
    // Somebody has listened to its errors: they are not the session's.
    expect(client.errors).toEqual([])
  })

  test('of the session holds only the topic that the message is of, and its error is the session’s', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    const seen: unknown[] = []
    let failures = 0
    client.session.on('message', ({ data, topic, redelivered }) => {
      seen.push([topic, data, redelivered])
      scene.journal.note('message', [topic, data])
      if (topic === 'a' && !failures++) throw new Error('not now')
    })
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const topic of ['a', 'b']) await session.subscribe(topic)
    await publish(server.server, 'a', ['a 1', 'a 2'])
    await scene.journal.until('the failure', () => client.errors[0])
    await publish(server.server, 'b', ['b 1'])
    await scene.journal.until('the other topic', () => seen.length === 2)
    await session.send('inbox')
    await scene.journal.until('the inbox', () => seen.length === 3)
    await scene.journal.until('the rest', () => seen.length === 5)
    expect(seen.slice(0, 3)).toEqual([
      ['a', 'a 1', false],
      ['b', 'b 1', false],
      [undefined, 'inbox', false],
    ])
    expect(seen.slice(3)).toEqual([
      ['a', 'a 1', true],
      ['a', 'a 2', false],
    ])
    expect(client.errors).toMatchObject([{ code: 'ERR_HANDLER' }])
  })
})

describe('a handler that does not come to an end', () => {
  test.for(Object.keys(floods))(
    'holds up neither other topics nor the inbox, though its topic is flooded: %s; then it gets all',
    async (kind, { scene }) => {
      const flood = floods[kind]!
      const { server, client, served } = await proxied(scene, { topics: { maxBytes: 10_000_000 } })
      const slow = subscribe(scene, client, 'slow', {}, false)
      const other = subscribe(scene, client, 'other')
      for (const observed of [slow, other]) await isSubscribed(scene, observed)
      const { got, goOn } = stuck(scene, slow.subscription)
      await publish(server.server, 'slow', flood)
      await publish(server.server, 'other', numbered('o', 500))
      void served.session.send('inbox')
      expect(await texts(scene, other, 500)).toEqual(numbered('o', 500))
      expect(await texts(scene, client, 1)).toEqual(['inbox'])
      // And the other way round.
      await client.session.send('to the server')
      expect(served.texts).toEqual(['to the server'])
      expect(got).toHaveLength(1)
      goOn()
      await scene.journal.until('all of the flood', () => got.length === flood.length)
      expect(got).toEqual(names(flood))
      expect([slow.gaps, other.gaps, client.states.length]).toEqual([[], [], 2])
    },
  )

  test.for(Object.keys(floods))(
    'holds up nobody who comes later, though all of the window is its own by then: %s',
    async (kind, { scene }) => {
      const flood = floods[kind]!
      const { server, client, served } = await proxied(scene, { topics: { maxBytes: 10_000_000 } })
      const slow = subscribe(scene, client, 'slow', {}, false)
      await isSubscribed(scene, slow)
      const { got, goOn } = stuck(scene, slow.subscription)
      await publish(server.server, 'slow', flood)
      const arrived = () =>
        client.transport.frames.reduce(
          (sum, { frame }) => sum + (frame.type === 'tdata' ? frame.payloads.length : 0),
          0,
        )
      const fits = Math.min(4_096, Math.floor(262_144 / flood[0]!.length) - 30)
      await eventually(scene, 'a full window', () => arrived() >= fits)
      const later = subscribe(scene, client, 'later')
      await isSubscribed(scene, later)
      await publish(server.server, 'later', numbered('l', 100))
      expect(await texts(scene, later, 100)).toEqual(numbered('l', 100))
      // One that the server makes, too.
      await served.session.subscribe('the server’s')
      await publish(server.server, 'the server’s', numbered('s', 100))
      expect(await texts(scene, client, 100)).toEqual(numbered('s', 100))
      expect(got).toHaveLength(1)
      goOn()
      await scene.journal.until('all of the flood', () => got.length === flood.length)
      expect(got).toEqual(names(flood))
      expect(slow.gaps).toEqual([])
    },
  )

  test('holds up nobody over any number of connections, and what it has is not handed over again', async ({
    scene,
  }) => {
    const cast = await proxied(scene, { topics: { maxBytes: 10_000_000 } })
    const { server, client, door } = cast
    const slow = subscribe(scene, client, 'slow', {}, false)
    const other = subscribe(scene, client, 'other')
    for (const observed of [slow, other]) await isSubscribed(scene, observed)
    const { got, goOn } = stuck(scene, slow.subscription)
    for (let round = 0; round < 3; round++) {
      await publish(server.server, 'slow', numbered('n', 3_000, round * 3_000 + 1))
      await publish(server.server, 'other', numbered('o', 20, round * 20 + 1))
      await texts(scene, other, (round + 1) * 20)
      await away(scene, cast)
      door.open()
      await scene.isOpen(client)
    }
    expect(other.texts).toEqual(numbered('o', 60))
    expect(got).toEqual(['n 1'])
    goOn()
    await scene.journal.until('all of it', () => got.length === 9_000)
    expect(got).toEqual(numbered('n', 9_000))
    expect([slow.gaps, other.gaps]).toEqual([[], []])
  })

  test('of the session, in one of the server’s topics, holds up neither another of them nor the inbox', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    let goOn = () => {}
    const wait = new Promise<void>((resolve) => (goOn = resolve))
    const seen: Record<string, string[]> = { slow: [], other: [], inbox: [] }
    client.session.on('message', ({ data, topic = 'inbox' }) => {
      seen[topic]!.push(String(data))
      scene.journal.note('message')
      return topic === 'slow' ? wait : undefined
    })
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const topic of ['slow', 'other']) await session.subscribe(topic)
    await publish(server.server, 'slow', numbered('n', 6_000))
    await publish(server.server, 'other', numbered('o', 100))
    for (const text of numbered('i', 100)) void session.send(text)
    await scene.journal.until('the others', () => seen['other']!.length === 100 && seen['inbox']!.length === 100)
    expect(seen['slow']).toHaveLength(1)
    goOn()
    await scene.journal.until('all', () => seen['slow']!.length === 6_000)
    expect(seen).toEqual({ slow: numbered('n', 6_000), other: numbered('o', 100), inbox: numbered('i', 100) })
    expect(client.gaps).toEqual([])
  })

  test('in the inbox holds up no topic', async ({ scene }) => {
    const server = await scene.sessionServer({ authorize: () => true })
    const client = scene.connect(server.url)
    let goOn = () => {}
    const seen: string[] = []
    client.session.on('message', ({ data }) => {
      seen.push(String(data))
      scene.journal.note('message')
      return new Promise<void>((resolve) => (goOn = resolve))
    })
    const observed = subscribe(scene, client, 'news')
    await isSubscribed(scene, observed)
    for (const text of numbered('i', 6_000)) void server.sessions[0]!.session.send(text)
    await scene.journal.until('the first one', () => seen.length === 1)
    await publish(server.server, 'news', numbered('n', 6_000))
    expect(await texts(scene, observed, 6_000)).toEqual(numbered('n', 6_000))
    expect(seen).toEqual(['i 1'])
    goOn()
  })
})

describe('a connection that takes nothing for a while', () => {
  test.for(['topic', 'inbox'] as const)(
    'goes on with topics and inbox when it takes data again; what filled it was for the %s',
    async (filler, { scene }) => {
      const big = 'x'.repeat(12_000_000)
      const { server, proxy, client, served } = await proxied(
        scene,
        { topics: { maxBytes: 100_000_000 } },
        { maxMessageBytes: 100_000_000 },
      )
      const observed = subscribe(scene, client, 'news')
      const filled = subscribe(scene, client, 'filled')
      for (const each of [observed, filled]) await isSubscribed(scene, each)
      proxy.stall('serverToClient')
      if (filler === 'topic') void server.server.publish('filled', big)
      else void served.session.send(big)
      await new Promise(setImmediate)
      // Both streams find that nothing more can be written, whichever comes first.
      if (filler === 'inbox') void served.session.send('inbox')
      await new Promise(setImmediate)
      await publish(server.server, 'news', ['n 1'])
      await new Promise(setImmediate)
      if (filler === 'topic') void served.session.send('inbox')
      proxy.heal()
      expect(await texts(scene, observed, 1)).toEqual(['n 1'])
      await scene.journal.until('the inbox', () => client.texts.at(-1) === 'inbox')
    },
  )
})
