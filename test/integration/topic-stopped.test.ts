import { expect } from 'vitest'
import { startChild, type Child } from './child.ts'
import { test } from './session-scene.ts'
import { isFull } from './storm.ts'
import { eventually } from './topic-scene.ts'

/** How long the subscriber's process stands still. */
const STOPPED_MS = isFull ? 30_000 : 4_000
const OTHERS = 10
const MESSAGE_BYTES = 16_384
const PER_SECOND = 400
const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 }
/** Socket buffers of up to a megabyte, code that gets compiled, frames for those who are behind. */
const SLACK_BYTES = 8_000_000

interface ServerReport {
  readonly used: number
  readonly sent: readonly [number]
}

interface Report {
  readonly last: number
  readonly messages: number
  readonly isInOrder: boolean
  readonly gaps: readonly { from: number; to: number; reason: string }[]
}

const missed = (gaps: Report['gaps']): number => gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0)

test.for([
  { what: 'catches up, if the topic has kept it all', maxBytes: 1_000_000_000, isKept: true },
  { what: 'gets the rest and an exact gap, if it has not', maxBytes: 6_000_000, isKept: false },
])(
  'a subscriber that is stopped costs no more memory than its topic may keep, holds up nobody, and when it goes on $what',
  { timeout: STOPPED_MS + 90_000 },
  async ({ maxBytes, isKept }, { scene }) => {
    const options = { heartbeat, topics: { maxBytes, maxMessages: 1_000_000 } }
    const server = await startChild(
      scene,
      'topic-server-child',
      { topics: 1, perSecond: PER_SECOND, messageBytes: MESSAGE_BYTES, options },
      { execArgv: ['--expose-gc'] },
    )
    const url = `ws://127.0.0.1:${await server.ready}`
    const [stopped, others] = (await Promise.all(
      [1, OTHERS].map((clients) => startChild(scene, 'topic-subscribers-child', { url, clients })),
    )) as [Child, Child]
    await Promise.all([stopped.ready, others.ready])
    const reports = async (child: Child) => (await child.ask('report')) as Report[]
    await server.ask('start')
    await eventually(scene, 'the first second', async () => (await reports(stopped))[0]!.last > PER_SECOND)

    const before = (await server.ask('report')) as ServerReport
    stopped.process.kill('SIGSTOP')
    scene.atEnd(() => stopped.process.kill('SIGCONT'))
    let mostUsed = 0
    const goesOnAtMs = performance.now() + STOPPED_MS
    // The test is about what the server does in this time.
    while (performance.now() < goesOnAtMs) {
      await new Promise((resolve) => void setTimeout(resolve, 250))
      mostUsed = Math.max(mostUsed, ((await server.ask('report')) as ServerReport).used)
    }
    const {
      sent: [sent],
    } = (await server.ask('stop')) as ServerReport
    // They have all of it while the one still stands.
    await eventually(scene, 'all others to have all', async () =>
      (await reports(others)).every(({ last }) => last === sent),
    )
    for (const { messages, isInOrder, gaps } of await reports(others)) {
      // A slow machine may be too slow for a topic that keeps no more than a second.
      expect({ isInOrder, all: messages + missed(gaps) }).toEqual({ isInOrder: true, all: sent })
      if (isKept) expect(gaps).toEqual([])
    }

    stopped.process.kill('SIGCONT')
    await eventually(scene, 'the one to have the rest', async () => (await reports(stopped))[0]!.last === sent)
    const { messages, gaps, isInOrder } = (await reports(stopped))[0]!
    const missing = missed(gaps)
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1)
    console.info(
      `stopped for ${STOPPED_MS / 1_000} s: ${sent} messages (${mb(sent * MESSAGE_BYTES)} MB), ${messages} received, ` +
        `${missing} in ${gaps.length} gap(s); server + ${mb(mostUsed - before.used)} MB with a topic of at most ${mb(maxBytes)} MB`,
    )
    expect({ isInOrder, all: messages + missing }).toEqual({ isInOrder: true, all: sent })
    expect(gaps.map(({ reason }) => reason)).toEqual(gaps.map(() => 'overflow'))
    expect(missing > 0).toBe(!isKept)
    // Each message is kept once, for all. So much was sent that it cannot have been kept twice: the check can fail.
    const published = (sent - before.sent[0]) * MESSAGE_BYTES
    const mayUse = Math.min(maxBytes, published) + SLACK_BYTES
    expect(isKept ? 2 * published : published).toBeGreaterThan(mayUse)
    expect(mostUsed - before.used).toBeLessThan(mayUse)
  },
)
