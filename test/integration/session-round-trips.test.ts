import { describe, expect } from 'vitest'
import type { ConnectOptions } from '../../src/client/index.ts'
import { test, type SessionScene } from './session-scene.ts'

/** Of the path, each way. */
const DELAY_MS = 50
/** A busy machine is late in one of them, or in some, but not in all. */
const TRIALS = 5

/** Cuts a session, sends to it, and measures from the attempt to the message that was missed. */
async function resumeRoundTrips(scene: SessionScene, options: ConnectOptions): Promise<number> {
  const server = await scene.sessionServer()
  const proxy = await scene.proxy(server)
  let pause = Promise.resolve()
  const client = scene
    .connect(async () => {
      await pause
      return proxy.url
    }, options)
    .listen(scene)
  await scene.isOpen(client)
  const { session } = server.sessions[0]!
  const roundTrips: number[] = []
  proxy.delay(DELAY_MS)
  for (let trial = 1; trial <= TRIALS; trial++) {
    let goOn = () => {}
    pause = new Promise((resolve) => (goOn = resolve))
    proxy.reset()
    await scene.journal.until('the server to know', () => !session.isConnected)
    void session.send(`missed ${trial}`)
    goOn()
    await scene.journal.until('what was missed', () => client.messages.length === trial)
    const { frames, startedAtMs } = client.transport
    const { atMs } = frames.find(({ frame }) => frame.type === 'data')!
    roundTrips.push((atMs - startedAtMs) / (2 * DELAY_MS))
  }
  expect(client.resumes).toHaveLength(TRIALS)
  expect(client.texts).toEqual(Array.from({ length: TRIALS }, (_, index) => `missed ${index + 1}`))
  return Math.min(...roundTrips)
}

describe('after a cut, what was missed is there', () => {
  test('one round trip after TCP, the upgrade’s own', async ({ scene }) => {
    const roundTrips = await resumeRoundTrips(scene, {})
    console.info(`resume in Node: missed messages after ${roundTrips.toFixed(2)} round trips`)
    expect(roundTrips).toBeGreaterThan(0.9)
    expect(roundTrips).toBeLessThan(1.6)
  })

  test('two round trips after TCP if the HELLO is too large for the upgrade request', async ({ scene }) => {
    const roundTrips = await resumeRoundTrips(scene, { auth: { token: 'x'.repeat(5_000) } })
    console.info(`resume in Node, with a large HELLO: missed messages after ${roundTrips.toFixed(2)} round trips`)
    expect(roundTrips).toBeGreaterThan(1.6)
    expect(roundTrips).toBeLessThan(2.6)
  })
})
