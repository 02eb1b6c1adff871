import { expect } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { encodeSub, encodeUnsub } from '../../src/protocol/encode.ts'
import { RawClient } from './hostile/raw-client.ts'
import { test } from './scene.ts'

test('a client that asks for topics and does not read the answers loses its connection', async ({ scene }) => {
  const server = createServer({ port: 0, authorize: () => true })
  scene.atEnd(() => server.close())
  const { port } = await server.listening
  const client = RawClient.entering(`ws://127.0.0.1:${port}/`)
  await client.welcome()
  client.socket.pause()
  const sub = encodeSub({ ref: 1, topic: '\u3042'.repeat(256), from: 'now' })
  const sent = new Promise((resolve) => {
    for (let count = 0; count < 20_000; count++) client.socket.send(sub)
    client.socket.send(sub, resolve)
  })
  await sent
  await expect.poll(() => server.stats.violations, { timeout: 10_000 }).toBe(1)
  client.socket.resume()
  expect((await client.ended()).code).toBe(4904)
})

test('a client cannot have more questions open than a session may have topics, by taking them back', async ({
  scene,
}) => {
  let open = 0
  const server = createServer({
    port: 0,
    authorize: () => {
      open++
      return new Promise<boolean>(() => {})
    },
    limits: { maxSubscriptionsPerSession: 10 },
  })
  scene.atEnd(() => server.close())
  const { port } = await server.listening
  const client = RawClient.entering(`ws://127.0.0.1:${port}/`)
  await client.welcome()
  for (let ref = 1; ref <= 3_000; ref++)
    client.send(encodeSub({ ref, topic: 'room', from: 'now' }), encodeUnsub({ ref }))
  expect(await client.isAlive()).toBe(true)
  expect(open).toBe(2 * 10 + 1_024)
  expect(client.received.filter((message) => String(message).includes('"limit"'))).toHaveLength(3_000 - open)
})
