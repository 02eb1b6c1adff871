import { describe, expect } from 'vitest'
import { memoryStore } from '../../src/server/index.ts'
import { startChild } from './child.ts'
import { numbered, test } from './session-scene.ts'

const COUNT = 50_000

describe('a server that awaits its sends', () => {
  test(`sends ${COUNT} messages in a loop to a client that reads, without overflow`, async ({ scene }) => {
    const { client, served } = await scene.pair(({ url }) => url)
    let most = 0
    for (let number = 1; number <= COUNT; number++) {
      await served.session.send(String(number))
      most = Math.max(most, served.session.pending)
    }
    await scene.journal.until('the last message', () => client.messages.length === COUNT)
    expect(client.texts).toEqual(Array.from({ length: COUNT }, (_, index) => String(index + 1)))
    expect(client.gaps).toEqual([])
    // The inbox holds 10,000 by default; beyond half of them, a send waits.
    expect(most).toBeLessThanOrEqual(5_002)
  })

  test('waits while the client is away, and goes on when it is back, without overflow', async ({ scene }) => {
    const server = await scene.sessionServer({ store: memoryStore({ maxMessages: 100 }) })
    let pause = Promise.resolve()
    const client = scene
      .connect(async () => {
        await pause
        return server.url
      })
      .listen(scene)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    let goOn = () => {}
    pause = new Promise((resolve) => (goOn = resolve))
    client.transport.terminate()
    await scene.journal.until('the server to know', () => !session.isConnected)
    let sent = 0
    const all = (async () => {
      for (const text of numbered('s', 500)) {
        await session.send(text)
        sent++
      }
    })()
    // Whatever does not wait has gone on by then.
    await scene.othersRetry()
    expect(sent).toBe(50)
    goOn()
    await all
    await scene.journal.until('all', () => client.messages.length === 500)
    expect([client.texts, client.gaps]).toEqual([numbered('s', 500), []])
  })

  test('waits no longer when the session is over', async ({ scene }) => {
    const server = await scene.sessionServer({ store: memoryStore({ maxMessages: 100 }), session: { ttlMs: 50 } })
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    const sends = numbered('s', 80).map((text) => session.send(text))
    await client.session.close()
    await Promise.all(sends)
    await scene.journal.until('the end', () => session.end)
    await expect(session.send('too late')).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' })
  })
})

test('a server that does not await its sends grows by no more than the inbox may hold', async ({ scene }) => {
  const child = await startChild(scene, 'unread-server-child', {}, { execArgv: ['--expose-gc'] })
  const report = (await child.ready) as { limitBytes: number; grownBytes: number; pending: number }
  console.info(
    `200000 sends that nobody awaited or read: heap + ${(report.grownBytes / 1e6).toFixed(1)} MB, inbox ${report.limitBytes / 1e6} MB`,
  )
  expect(report.pending).toBe(200_000)
  expect(report.grownBytes).toBeLessThan(report.limitBytes + 8_000_000)
})
