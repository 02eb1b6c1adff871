import { expect } from 'vitest'
import { randomFaults } from '../../src/testing/index.ts'
import { startChild, type Child } from './child.ts'
import { test } from './session-scene.ts'
import { clientOptions, heartbeat, isFull } from './storm.ts'
import { eventually } from './topic-scene.ts'

/** Of all storms together. */
const DURATION_MS = isFull ? 60_000 : 12_000
const PROCESSES = 2
const STOPPED_MS = 800
/** Long enough for any machine. */
const SETTLE_MS = 30_000
const OWN = 'the server’s own'

interface Report {
  readonly problems: readonly string[]
  readonly missing: readonly string[]
  readonly told: Record<string, number>
}

const storms = [
  { count: 1, clients: 50, perClient: 1, perSecond: 60, store: 'memory' },
  { count: 10, clients: 40, perClient: 3, perSecond: 30, store: 'memory' },
  { count: 10, clients: 20, perClient: 3, perSecond: 30, store: 'a store that answers later' },
  { count: 50, clients: 30, perClient: 10, perSecond: 10, store: 'memory' },
]

test.for(storms)(
  'in a storm over $count topic(s) in $store, whoever joins, leaves, stalls, fails, moves or is cut off gets all from where it began, in order, or an exact gap',
  { timeout: DURATION_MS + 90_000 },
  async ({ count, clients, perClient, perSecond, store }, { scene }) => {
    const seed = Number(process.env['HEARTLINE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const durationMs = DURATION_MS / storms.length
    const where = `${isFull ? 'HEARTLINE_FULL=1 ' : ''}npx vitest run test/integration/topic-storm.test.ts`
    console.info(`storm over ${count} topics in ${store}, to repeat: HEARTLINE_SEED=${seed} ${where}`)
    const topics = Array.from({ length: count }, (_, index) => `topic ${index}`)
    // Some are away for longer than their session is kept.
    const options = { heartbeat, session: { ttlMs: 700 } }
    const server = await startChild(scene, 'topic-storm-server-child', {
      topics,
      own: OWN,
      perSecond,
      isSlow: store !== 'memory',
      options,
    })
    const proxy = await scene.proxy({ port: await server.ready })
    const children: Child[] = await Promise.all(
      Array.from({ length: PROCESSES }, (_, index) =>
        startChild(scene, 'topic-storm-clients-child', {
          url: proxy.url,
          clients,
          topics,
          own: OWN,
          perClient,
          seed: seed + index + 1,
          options: { ...clientOptions, closeTimeoutMs: 200 },
        }),
      ),
    )
    await Promise.all(children.map(({ ready }) => ready))
    const stopped = children[0]!.process
    scene.atEnd(() => stopped.kill('SIGCONT'))
    const stop = setTimeout(() => {
      stopped.kill('SIGSTOP')
      setTimeout(() => stopped.kill('SIGCONT'), STOPPED_MS)
    }, durationMs / 2)
    scene.atEnd(() => clearTimeout(stop))
    // Two resets in any case: a short schedule may have nothing but delays.
    const resets = [1, 2].map((third) => ({ atMs: (third * durationMs) / 3, fault: { kind: 'reset' as const } }))
    const drawn = randomFaults({ seed, durationMs, meanGapMs: 400, maxFaultMs: 900 })
    const faults = [...drawn, ...resets].toSorted((one, other) => one.atMs - other.atMs)
    await proxy.play(faults)

    const { sent } = await server.ask('stop')
    await Promise.all(children.map((child) => child.ask('over')))
    let reports: Report[] = []
    const haveAll = async () => {
      reports = await Promise.all(children.map((child) => child.ask({ sent })))
      const open = reports.flatMap(({ problems, missing }) => (problems.length ? [] : missing))
      if (open.length) scene.journal.note('open', open.slice(0, 5))
      return !open.length
    }
    await eventually(scene, 'all to have all', haveAll, SETTLE_MS)
    const sum: Record<string, number> = {}
    for (const { told } of reports) for (const name in told) sum[name] = (sum[name] ?? 0) + told[name]!
    const { stats } = await server.ask('report')
    console.info(
      `storm over ${count} topics in ${store}, seed ${seed}, ${durationMs / 1_000} s, ${faults.length} faults and heals: ` +
        `${JSON.stringify(sum)}, server ${JSON.stringify(stats)}`,
    )
    expect(reports.flatMap(({ problems }) => problems)).toEqual([])
    expect(stats.violations).toBe(0)
    // It was no fair weather, and everybody has talked.
    expect(sum['connections']! - sum['sessions']!).toBeGreaterThan(clients / 2)
    expect(sum['messages']).toBeGreaterThan((PROCESSES * clients * perSecond * perClient * durationMs) / 20_000)
    expect(sum['positions']).toBeGreaterThan(0)
  },
)
