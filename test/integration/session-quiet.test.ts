import { expect } from 'vitest'
import { test } from './session-scene.ts'
import { virtualTime } from './virtual-time.ts'

const MINUTE_MS = 60_000

test('a client that has received nothing yet resumes (field notes: socket.io#5538)', async ({ scene }) => {
  const server = await scene.sessionServer()
  const proxy = await scene.proxy(server)
  const client = scene.connect(proxy.url).listen(scene)
  await scene.isOpen(client)
  const { session } = server.sessions[0]!
  proxy.reset()
  await scene.journal.until('the server to know', () => !session.isConnected)
  await session.send('the first message ever')
  await scene.journal.until('the message', () => client.messages[0])
  expect(client.texts).toEqual(['the first message ever'])
  expect(client.resumes).toEqual([{ sent: 0, received: expect.any(Number) }])
  expect([client.gaps, client.losses, server.sessions.length]).toEqual([[], [], 1])
})

test('a session that was quiet for ten minutes stays connected, and resumes after a cut (field notes: socket.io#5282)', async ({
  scene,
}) => {
  const server = await scene.sessionServer({ session: { ttlMs: 2 * MINUTE_MS } })
  const proxy = await scene.proxy(server)
  let latencies = 0
  const pass = await virtualTime(scene)
  const client = scene.connect(proxy.url).listen(scene)
  await scene.isOpen(client)
  const { session } = server.sessions[0]!
  session.on('latency', () => latencies++)
  const { id } = client.session
  await pass(10 * MINUTE_MS)
  // Alive all the time, by nothing but heartbeats.
  expect([client.transports.length, client.states.map(({ state }) => state)]).toEqual([1, ['connecting', 'open']])
  expect(latencies).toBeGreaterThan(50)

  proxy.reset()
  await scene.journal.until('the server to know', () => !session.isConnected)
  void session.send('still here')
  void client.session.send('me too')
  await pass(1_000)
  await scene.journal.until('both messages', () => client.messages[0] && server.sessions[0]!.messages[0])
  expect([client.texts, server.sessions[0]!.texts]).toEqual([['still here'], ['me too']])
  expect([client.session.id, client.resumes.length, client.gaps, client.losses]).toEqual([id, 1, [], []])
})

test('a message that is repeated after ten minutes is not handled again (field notes: dedupe in time windows of 2 and 5 minutes)', async ({
  scene,
}) => {
  const server = await scene.sessionServer({ session: { ttlMs: 20 * MINUTE_MS } })
  const proxy = await scene.proxy(server)
  const pass = await virtualTime(scene)
  let mayConnect = () => {}
  let pause: Promise<void> | undefined
  const client = scene
    .connect(
      async () => {
        await pause
        return proxy.url
      },
      { connectTimeoutMs: 20 * MINUTE_MS },
    )
    .listen(scene)
  await scene.isOpen(client)
  const served = server.sessions[0]!
  pause = new Promise((resolve) => (mayConnect = resolve))
  // Its acknowledgement gets lost.
  proxy.blackHole('serverToClient')
  let isAccepted = false
  void client.session.send('once').then(() => (isAccepted = true))
  await scene.journal.until('the message', () => served.messages[0])
  proxy.heal()
  proxy.reset()
  await scene.journal.until('the client to know', () => client.states.at(-1)!.state === 'waiting')
  await pass(10 * MINUTE_MS)
  expect([isAccepted, client.session.state]).toEqual([false, 'connecting'])
  mayConnect()
  await client.session.send('and another one')
  expect(isAccepted).toBe(true)
  expect(served.texts).toEqual(['once', 'and another one'])
  expect(client.resumes).toEqual([{ sent: expect.any(Number), received: 0 }])
  expect(server.sessions).toHaveLength(1)
})
