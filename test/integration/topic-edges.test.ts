import { expect } from 'vitest'
import { numbered, test } from './session-scene.ts'
import { away, eventually, isSubscribed, proxied, publish, subscribe, texts } from './topic-scene.ts'

test('what waits for a listener when a subscription is ended by its client takes no room from the others', async ({
  scene,
}) => {
  const { server, client, served } = await proxied(scene)
  const other = subscribe(scene, client, 'other')
  await isSubscribed(scene, other)
  // A window, in four messages.
  for (let index = 0; index < 4; index++) {
    const ignored = subscribe(scene, client, `ignored ${index}`, {}, false)
    await isSubscribed(scene, ignored)
    await server.server.publish(`ignored ${index}`, 'x'.repeat(65_536))
    // What comes behind it on the same connection says that it has come.
    await served.session.send(`mark ${index}`)
    await scene.journal.until('the mark', () => client.texts.length > index)
    ignored.subscription.unsubscribe()
  }
  await publish(server.server, 'other', numbered('p', 5))
  expect(await texts(scene, other, 5)).toEqual(numbered('p', 5))
})

test('what waits for a handler that hangs takes no room from the others when the server has ended its topic', async ({
  scene,
}) => {
  const { server, client, served } = await proxied(scene)
  const stuck = subscribe(scene, client, 'stuck', {}, false)
  await isSubscribed(scene, stuck)
  let calls = 0
  stuck.subscription.on('message', () => {
    scene.journal.note('stuck', ++calls)
    return new Promise(() => {})
  })
  await publish(
    server.server,
    'stuck',
    numbered('s', 300).map((text) => text.padEnd(1_024, 'x')),
  )
  await scene.journal.until('the first message', () => calls)
  await served.session.send('mark')
  await scene.journal.until('the mark', () => client.texts.length)
  served.session.unsubscribe('stuck')
  const other = subscribe(scene, client, 'other')
  await isSubscribed(scene, other)
  await publish(server.server, 'other', numbered('o', 5))
  expect(await texts(scene, other, 5)).toEqual(numbered('o', 5))
})

test('messages beyond the window do not wait for the acknowledgement of small ones', async ({ scene }) => {
  const { server, client } = await proxied(scene)
  const large = subscribe(scene, client, 'large')
  const small = subscribe(scene, client, 'small')
  await isSubscribed(scene, small)
  server.server.topic('large', { retain: { maxMessages: 3 } })
  for (let index = 0; index < 12; index++) {
    await server.server.publish('small', 's')
    await server.server.publish('large', 'x'.repeat(270_000))
    await texts(scene, small, index + 1)
  }
  await texts(scene, large, 12)
  expect(large.gaps).toEqual([])
})

test('a listener of `join`, `back` or `leave` may end and make subscriptions', async ({ scene }) => {
  const cast = await proxied(scene)
  const { server, client, served, door } = cast
  // Thrown out as soon as it comes in: its connection stays.
  server.server.topic('private').on('join', ({ session }) => session.unsubscribe('private'))
  const thrownOut = subscribe(scene, client, 'private')
  await scene.journal.until('the end', () => thrownOut.ends[0])
  expect(thrownOut.ends).toEqual(['unsubscribed'])
  expect(served.session.isConnected).toBe(true)
  // Leaves one as soon as it is back: the others go on.
  for (const topic of ['a', 'b']) await served.session.subscribe(topic)
  server.server.topic('a').on('back', ({ session }) => session.unsubscribe('a'))
  await away(scene, cast)
  door.open()
  await eventually(scene, 'to be back', () => served.session.isConnected)
  await publish(server.server, 'b', numbered('b', 3))
  await scene.journal.until('all of b', () => client.texts.length === 3)
  // Nothing is subscribed for somebody who leaves for good.
  server.server.topic('b').on('leave', ({ session }) => void session.subscribe('lobby'))
  await client.session.close()
  await eventually(scene, 'to be gone', () => server.server.stats.sessions === 0)
  expect(server.server.stats).toMatchObject({ topics: 0, subscriptions: 0 })
})

test('a hundred topics that are left while the path is dead are left', async ({ scene }) => {
  const { server, client, proxy } = await proxied(
    scene,
    { heartbeat: { intervalMs: 300, timeoutMs: 300 } },
    { heartbeat: { intervalMs: 300, timeoutMs: 300 }, reconnect: { maxDelayMs: 100 } },
  )
  const all = numbered('room', 100).map((topic) => subscribe(scene, client, topic))
  for (const observed of all) await isSubscribed(scene, observed)
  proxy.blackHole()
  for (const { subscription } of all) subscription.unsubscribe()
  await scene.journal.until('the client to know', () => client.session.state !== 'open')
  proxy.heal()
  await eventually(scene, 'all to be left', () => server.server.stats.subscriptions === 0)
})
