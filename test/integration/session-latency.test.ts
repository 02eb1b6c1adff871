import { expect, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { createServer, type Session } from '../../src/server/index.ts'

const heartbeat = { intervalMs: 100, timeoutMs: 5_000 }

test.each(['busy', 'idle'])('both sides of a %s session learn the round trip', async (kind) => {
  const server = createServer({ port: 0, heartbeat })
  const begun = new Promise<Session>((resolve) => void server.on('session', resolve))
  const { port } = await server.listening
  const session = connect(`ws://127.0.0.1:${port}`, { heartbeat })
  const hosted = await begun
  hosted.on('message', ({ data }) => void hosted.send(data as string))
  let isDone = false
  session.on('message', () => {
    if (!isDone) setImmediate(() => void session.send('again'))
  })
  const here = new Promise<number>((resolve) => session.on('latency', ({ latencyMs }) => resolve(latencyMs)))
  const there = new Promise<number>((resolve) => hosted.on('latency', ({ latencyMs }) => resolve(latencyMs)))
  if (kind === 'busy') await session.send('first')
  expect(await here).toBeGreaterThanOrEqual(0)
  expect(await there).toBeGreaterThanOrEqual(0)
  expect(session.latencyMs).toBeGreaterThanOrEqual(0)
  isDone = true
  await session.close()
  await server.close()
})
