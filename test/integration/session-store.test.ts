import { expect, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { createServer, memoryStore, type Session, type SessionServer } from '../../src/server/index.ts'

/** The next session that the server's application is given; its messages are handled. */
function nextSession(server: SessionServer): Promise<Session> {
  return new Promise((resolve) => {
    server.on('session', (session) => {
      session.on('message', () => {})
      resolve(session)
    })
  })
}

test('a server on the store of another one gives its application the sessions that come back', async () => {
  const store = memoryStore()
  const first = createServer({ port: 0, store })
  const begun = nextSession(first)
  const { port } = await first.listening
  const session = connect(`ws://127.0.0.1:${port}`, { reconnect: { minDelayMs: 10, maxDelayMs: 50 } })
  await session.send('to the first')
  const { id } = await begun
  await first.close()
  const second = createServer({ port, store })
  const resumed = nextSession(second)
  await session.send('to the second')
  expect((await resumed).id).toBe(id)
  expect(session.id).toBe(id)
  await session.close()
  await second.close()
})
