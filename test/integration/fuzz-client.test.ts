import { expect } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { startChild } from './child.ts'
import type { MemoryReport } from './fixtures/victim-process.ts'
import { SECRET } from './hostile/bystander.ts'
import { fuzzRun, fuzzTimeoutMs, megabytes, Tally } from './hostile/fuzz-run.ts'
import { documentedCodes, HostileServer, MAX_MESSAGE_BYTES, type Outcome } from './hostile/hostile-server.ts'
import { test } from './scene.ts'

const SLOTS = 8
const MAX_HEAP_GROWTH = 8 * 1_048_576
/** Eight clients with a window of 4,096 messages each, whose handlers never come back. */
const MAX_RSS_GROWTH = 150 * 1_048_576

test(
  'hostile servers cost clients the connection with a documented code, and the rest of their process nothing',
  async ({ scene }) => {
    const run = fuzzRun('hostile servers', 600)
    const codes = new Tally()
    const faults: string[] = []
    let done = 0
    let frames = 0
    const over = new AbortController()
    let finish: () => void
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const hostile = new HostileServer(run.seed, SLOTS, ({ slot, what, code, expected, frames: sent }: Outcome) => {
      // At the end all are cut off.
      if (over.signal.aborted) return
      done++
      frames += sent
      codes.add(code)
      if (!(expected ?? [...documentedCodes, 1011, 3000, 4000, 4999]).includes(code))
        faults.push(`slot ${slot}: ${code} after ${what}, expected ${expected}`)
      if (!run.goesOn(done) || faults.length) finish()
    })
    scene.atEnd(() => hostile.close())
    const good = createServer({ port: 0 })
    good.on('session', (session) => session.on('message', ({ data }) => session.send(data)))
    scene.atEnd(() => good.close())
    const { port } = await good.listening
    const child = await startChild(
      scene,
      'victim-client-child',
      { hostile: hostile.url, good: `ws://127.0.0.1:${port}/`, slots: SLOTS, maxMessageBytes: MAX_MESSAGE_BYTES },
      { execArgv: ['--expose-gc'], told: (news) => hostile.told(news) },
    )
    await child.ready
    const before = (await child.ask('memory')) as MemoryReport
    const disturb = async (): Promise<void> => {
      while (!over.signal.aborted) await child.ask('trip')
    }
    const disturbed = disturb()
    await Promise.race([
      finished,
      child.exited.then(() => Promise.reject(new Error('The process of the clients has died.'))),
    ])
    over.abort()
    await disturbed
    await child.ask('stop')
    hostile.close()
    const after = (await child.ask('memory')) as MemoryReport
    const { trips, states, tokens, ...counts } = await child.ask('trip')
    console.info(
      `${done} connections, ${frames} frames, ends by code: ${codes}; ${JSON.stringify(counts)}; ` +
        `the bystander's round trips: ${trips}; heap ${megabytes(before.heap)} before, ${megabytes(after.heap)} after; ` +
        `peak of the process ${megabytes(before.peakRss)} before, ${megabytes(after.peakRss)} after`,
    )
    expect(faults).toEqual([])
    expect(states).toEqual(['connecting', 'open'])
    for (const [slot, heard] of hostile.heard.entries()) {
      const own = String.fromCharCode(97 + slot).repeat(6)
      const all = heard.join('\n')
      expect(all).not.toContain(SECRET)
      for (const token of tokens as string[]) expect(all).not.toContain(token)
      for (const [, name] of all.matchAll(/victim-([a-h]{6})/g)) expect(name).toBe(own)
    }
    expect(after.heap - before.heap).toBeLessThan(MAX_HEAP_GROWTH)
    expect(after.peakRss - before.peakRss).toBeLessThan(MAX_RSS_GROWTH)
  },
  fuzzTimeoutMs,
)
