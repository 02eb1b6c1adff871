import { expect } from 'vitest'
import { startChild } from './child.ts'
import { test } from './session-scene.ts'

const SESSIONS = 5_000
/** One that leaks holds several kilobytes: its messages, its id, its listeners. */
const MAX_BYTES_PER_SESSION = 300

test('a session that nobody comes back to expires with an event; a client that does gets a new one, a gap, and what is in doubt', async ({
  scene,
}) => {
  const server = await scene.sessionServer({ session: { ttlMs: 50 } }, false)
  server.server.on('session', (session) =>
    session.on('message', ({ data }) => data === 'hold' && new Promise(() => {})),
  )
  let pause = Promise.resolve()
  const client = scene
    .connect(async () => {
      await pause
      return server.url
    })
    .listen(scene)
  await client.session.send('handled')
  const sent = client.session.send('hold')
  const served = server.sessions[0]!
  await served.session.send('received')
  await scene.journal.until('the message', () => client.messages[0])
  let goOn = () => {}
  pause = new Promise((resolve) => (goOn = resolve))
  client.transport.terminate()
  await scene.journal.until('the server to know', () => served.disconnects.length)
  const unread = served.session.send('never received')
  await scene.journal.until('the expiry', () => served.ended)
  expect(served.ended).toMatchObject({ reason: 'expired' })
  expect(served.ended!.unacknowledged).toBeGreaterThan(0)
  expect(server.server.session(served.session.id)).toBeUndefined()
  expect(server.server.stats).toMatchObject({ sessions: 0, connections: 0, expired: 1 })
  await unread
  await expect(served.session.send('too late')).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' })

  goOn()
  await expect(sent).rejects.toMatchObject({ code: 'ERR_SESSION_LOST' })
  await client.session.send('in the new one')
  expect(client.lost).toEqual([{ data: 'hold', wasSent: true }])
  expect(client.gaps).toMatchObject([{ stream: 'inbox', from: 2, to: undefined, reason: 'unknown' }])
  expect(server.sessions[1]!.session.id).toBe(client.session.id)
})

test(`${SESSIONS} sessions that were opened, left and have expired hold no memory and no timer (field notes: socket.io#5250)`, async ({
  scene,
}) => {
  const child = await startChild(scene, 'expiry-child', { sessions: SESSIONS }, { execArgv: ['--expose-gc'] })
  const { before, after, ends, ended, unacknowledged, stats } = await child.ready
  const perSession = (after.heapBytes - before.heapBytes) / SESSIONS
  console.info(`${SESSIONS} expired sessions hold ${perSession.toFixed(1)} bytes each`)
  expect(ends).toEqual({ expired: ended })
  expect(ended).toBe(SESSIONS + 1_000)
  expect(unacknowledged).toBe(5 * ended)
  expect(stats).toMatchObject({ sessions: 0, connections: 0, expired: ended })
  expect(after.resources).toEqual(before.resources)
  expect(perSession).toBeLessThan(MAX_BYTES_PER_SESSION)
  // Nothing keeps the process.
  expect(await child.exited).toEqual([0, null])
})
