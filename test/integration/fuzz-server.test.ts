import { expect } from 'vitest'
import { startChild } from './child.ts'
import type { MemoryReport } from './fixtures/victim-process.ts'
import { Bystander, SECRET } from './hostile/bystander.ts'
import { fuzzRun, fuzzTimeoutMs, megabytes, Tally } from './hostile/fuzz-run.ts'
import { documentedCodes, HostileClient, victimLimits } from './hostile/hostile-client.ts'
import { Random } from './hostile/random.ts'
import { test } from './scene.ts'

const CLIENTS = 8
/** It only bounds a test that fails. */
const PATIENCE_MS = 20_000
/** What the server may keep of all that, after all sessions have expired: less than one message of each conversation. */
const MAX_HEAP_GROWTH = 8 * 1_048_576
/** What is kept of a topic counts in that, too. */
const topics = { maxMessages: 1_000, maxBytes: 100_000 }
/** What the process may have more at its worst moment. */
const MAX_RSS_GROWTH = 150 * 1_048_576

test.for([
  ['answers at once', false],
  ['is slow', true],
] as const)(
  'hostile clients lose their own connections with documented codes, learn nothing, and disturb nobody: the store %s',
  { timeout: fuzzTimeoutMs },
  async ([, isStoreSlow], { scene }) => {
    const run = fuzzRun('hostile clients', isStoreSlow ? 200 : 500)
    const child = await startChild(
      scene,
      'victim-server-child',
      { isStoreSlow, session: { ttlMs: 1_000 }, topics, limits: { ...victimLimits, handshakeTimeoutMs: 5_000 } },
      { execArgv: ['--expose-gc'] },
    )
    const url = `ws://127.0.0.1:${await child.ready}/`
    const bystander = new Bystander(url, 'one')
    scene.atEnd(() => bystander.session.close())
    await bystander.roundTrip()
    bystander.listen()
    const codes = new Tally()
    const refused = new Tally()
    let done = 0
    let frames = 0
    let topicFrames = 0

    const clients = Array.from({ length: CLIENTS }, (_, index) => {
      const name = String.fromCharCode(97 + index)
      return new HostileClient(url, new Random(run.seed + index), name, bystander.session.id!)
    })
    const attack = async (client: HostileClient): Promise<void> => {
      const secrets = [SECRET, ...clients.filter((other) => other !== client).map(({ mark }) => mark)]
      while (run.goesOn(done)) {
        const { what, code, expected, received, frames: sent } = await client.converse()
        done++
        frames += sent
        ;(code < 1_000 ? refused : codes).add(code)
        // 431: a HELLO that became too long for the headers.
        if (code < 1_000) expect([400, 431], what).toContain(code)
        else expect(expected ?? documentedCodes, what).toContain(code)
        for (const message of received) {
          const text = String(message)
          if (/^[OUTVKG]/.test(text)) topicFrames++
          const found = [...secrets, ...bystander.tokens].find((secret) => text.includes(secret))
          if (found !== undefined)
            throw new Error(`After ${what}, ${client.mark} got ${found} of another session: ${text}`)
        }
      }
    }
    const disturb = async (): Promise<void> => {
      while (run.goesOn(done)) await bystander.roundTrip()
    }
    const fuzz = async (): Promise<void> => {
      await Promise.all([disturb(), ...clients.map(attack)])
    }

    /** All sessions of the attackers have to expire. */
    const isGone = async (): Promise<void> => {
      const endsAt = performance.now() + PATIENCE_MS
      for (
        let stats;
        (stats = await child.ask('stats')).sessions > 1 || stats.connections > 1 || stats.subscriptions > 2;
        await bystander.roundTrip()
      )
        if (performance.now() > endsAt)
          throw new Error(`There is more than the bystander left: ${JSON.stringify(stats)}`)
    }
    // Its code is compiled and its caches are full.
    const before = (await child.ask('memory')) as MemoryReport
    await fuzz()
    await isGone()
    const after = (await child.ask('memory')) as MemoryReport
    const stats = await child.ask('stats')
    await bystander.roundTrip()
    console.info(
      `${done} conversations, ${frames} frames, ends by code: ${codes}; refused upgrades: ${refused}; ` +
        `violations counted: ${stats.violations}, resumed: ${stats.resumed}; the bystander's round trips: ${bystander.trips}, ` +
        `its messages of topics: ${bystander.heard}; frames of topics: ${topicFrames}; ` +
        `heap ${megabytes(before.heap)} before, ${megabytes(after.heap)} after; ` +
        `peak of the process ${megabytes(before.peakRss)} before, ${megabytes(after.peakRss)} after`,
    )
    expect(bystander.states).toEqual(['connecting', 'open'])
    expect(stats.errors).toEqual([])
    expect(bystander.heard).toBeGreaterThan(100)
    expect(topicFrames).toBeGreaterThan(done)
    expect(after.heap - before.heap).toBeLessThan(MAX_HEAP_GROWTH)
    expect(after.peakRss - before.peakRss).toBeLessThan(MAX_RSS_GROWTH)
  },
)
