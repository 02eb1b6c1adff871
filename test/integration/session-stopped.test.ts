import { expect } from 'vitest'
import { startChild } from './child.ts'
import { test } from './session-scene.ts'
import { isFull } from './storm.ts'

/** How long the client's process stands still. */
const STOPPED_MS = isFull ? 30_000 : 8_000
const MAX_BYTES = 4_000_000
const MESSAGE_BYTES = 4_096
const PER_SECOND = 2_000
/** Socket buffers of up to a megabyte, code that gets compiled, buffers of messages under way. */
const SLACK_BYTES = 8_000_000

const sleep = (ms: number) => new Promise((resolve) => void setTimeout(resolve, ms))

interface ServerReport {
  readonly used: number
  readonly rss: number
  readonly sent: number
  readonly pending: number
}

interface ClientReport {
  readonly numbers: number[]
  readonly gaps: { from: number; to: number; reason: string }[]
  readonly told: { readonly resumed: number; readonly lost: number }
}

test(
  'a client that is stopped costs no more memory than its inbox may hold, and gets all but an exact gap when it goes on (field notes: send() guarded only by readyState)',
  { timeout: STOPPED_MS + 60_000 },
  async ({ scene }) => {
    const server = await startChild(
      scene,
      'stopped-server-child',
      { maxBytes: MAX_BYTES, perSecond: PER_SECOND, messageBytes: MESSAGE_BYTES },
      { execArgv: ['--expose-gc'], told: (news) => scene.journal.note('server', news) },
    )
    const client = await startChild(scene, 'stopped-client-child', { url: `ws://127.0.0.1:${await server.ready}` })
    await client.ready
    const isThere = async (isEnough: (report: ClientReport) => boolean) => {
      for (;;) {
        const report = (await client.ask('report')) as ClientReport
        if (isEnough(report)) return report
        await sleep(20)
      }
    }
    await isThere(({ numbers }) => numbers.length > PER_SECOND)
    const before = (await server.ask('report')) as ServerReport

    client.process.kill('SIGSTOP')
    scene.atEnd(() => client.process.kill('SIGCONT'))
    let most = before
    const goesOnAtMs = performance.now() + STOPPED_MS
    // The test is about what the server does in this time.
    while (performance.now() < goesOnAtMs) {
      await sleep(250)
      const now = (await server.ask('report')) as ServerReport
      most = { ...now, used: Math.max(now.used, most.used), rss: Math.max(now.rss, most.rss) }
    }
    client.process.kill('SIGCONT')

    const { sent } = (await server.ask('stop')) as ServerReport
    const last = ({ numbers, gaps }: ClientReport) => Math.max(numbers.at(-1) ?? 0, gaps.at(-1)?.to ?? 0)
    const { numbers, gaps, told } = await isThere((report) => last(report) === sent)
    const missing = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0)
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1)
    console.info(
      `stopped for ${STOPPED_MS / 1_000} s: ${sent} messages (${mb(sent * MESSAGE_BYTES)} MB) sent, ` +
        `${numbers.length} received, ${missing} in ${gaps.length} gap(s), resumed ${told.resumed} times; ` +
        `server + ${mb(most.used - before.used)} MB in use, + ${mb(most.rss - before.rss)} MB resident, ` +
        `with an inbox of ${mb(MAX_BYTES)} MB`,
    )
    // What was received and what the gaps name is all there is, each number once and in order.
    const all: number[] = []
    let next = 0
    for (const { from, to } of gaps) {
      while (next < numbers.length && numbers[next]! < from) all.push(numbers[next++]!)
      for (let number = from; number <= to; number++) all.push(number)
    }
    all.push(...numbers.slice(next))
    expect(all.length).toBe(sent)
    expect(all.every((number, index) => number === index + 1)).toBe(true)
    expect(gaps.map(({ reason }) => reason)).toEqual(gaps.map(() => 'overflow'))
    // So much was sent that it cannot all have been kept: the check can fail.
    expect(sent * MESSAGE_BYTES).toBeGreaterThan(4 * (MAX_BYTES + SLACK_BYTES))
    expect(missing).toBeGreaterThan(0)
    expect([told.resumed, told.lost]).toEqual([1, 0])
    expect(most.used - before.used).toBeLessThan(MAX_BYTES + SLACK_BYTES)
  },
)
