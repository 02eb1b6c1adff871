import { expect } from 'vitest'
import { randomFaults, randomFaultsDefaults, type FaultProxy, type ScheduledFault } from '../../src/testing/index.ts'
import type { Child } from './child.ts'
import type { TrafficReport } from './fixtures/traffic.ts'
import { examine, faultless } from './history.ts'

/** `HEARTLINE_FULL=1`: as long as the promises are stated for. */
export const isFull = process.env['HEARTLINE_FULL'] === '1'

const DURATION_MS = isFull ? 60_000 : 12_000
/** Messages in each direction. */
export const PER_SECOND = 200
/** Short, so that there are many recoveries. */
export const heartbeat = { intervalMs: 400, timeoutMs: 300 }
/** For {@link connect}: attempts that end soon, and room for what is sent while nothing gets through. */
export const clientOptions = {
  heartbeat,
  connectTimeoutMs: 1_000,
  reconnect: { minDelayMs: 20, maxDelayMs: 200 },
  outbox: { maxMessages: 20_000, maxBytes: 100_000_000 },
}
export const STORM_TIMEOUT_MS = DURATION_MS + 90_000
/** Long enough for any machine. */
const SETTLE_MS = 30_000

export interface Storm {
  readonly seed: number
  readonly faults: readonly ScheduledFault[]
}

/** Faults of every kind, under a seed that is printed. `HEARTLINE_SEED` repeats a storm. */
export function storm(where: string): Storm {
  const given = process.env['HEARTLINE_SEED']
  let seed = Number(given ?? Math.floor(Math.random() * 2 ** 31))
  const draw = () => randomFaults({ seed, durationMs: DURATION_MS, meanGapMs: 400, maxFaultMs: 900 })
  // A short one may lack a kind.
  if (given === undefined) while (kindsOf(draw()).size < randomFaultsDefaults.kinds.length) seed++
  const file = where === 'Chromium' ? 'test/browser' : 'test/integration'
  console.info(
    `storm in ${where}, to repeat: HEARTLINE_SEED=${seed} ${isFull ? 'HEARTLINE_FULL=1 ' : ''}npx vitest run ${file}/session-storm.test.ts`,
  )
  return { seed, faults: draw() }
}

const kindsOf = (faults: readonly ScheduledFault[]): Set<string> =>
  new Set(faults.map(({ fault }) => fault.kind).filter((kind) => kind !== 'heal'))

/** What the client's end tells. */
export interface ClientReport extends TrafficReport {
  readonly told: {
    readonly resumed: number
    readonly gaps: number
    readonly lost: number
    readonly connections: number
  }
}

interface StormClient {
  stop(): Promise<unknown>
  report(): Promise<ClientReport>
  /** For a test that fails. */
  status(): Promise<unknown>
}

/** Once the weather is fair again, everything settles, or the test says how both ends are. */
async function settled(what: string, promise: Promise<unknown>, server: Child, client: StormClient): Promise<void> {
  let timer: ReturnType<typeof setTimeout>
  const late = new Promise((resolve) => (timer = setTimeout(resolve, SETTLE_MS, 'late')))
  const first = await Promise.race([promise, late])
  clearTimeout(timer!)
  if (first !== 'late') return
  const [ofServer, ofClient] = await Promise.all([server.ask('status'), client.status()])
  throw new Error(
    `Within ${SETTLE_MS} ms not settled: ${what}. Server: ${JSON.stringify(ofServer)}. Client: ${JSON.stringify(ofClient)}.`,
  )
}

/**
 * Lets the faults loose on traffic that is under way, waits until all that was sent has settled, and judges both
 * directions by what the two applications have sent and got.
 */
export async function weather(
  where: string,
  { seed, faults }: Storm,
  proxy: FaultProxy,
  server: Child,
  client: StormClient,
): Promise<void> {
  await proxy.play(faults)
  // The server's sends are kept when they are stored, so what the client has got is looked at when nothing is pending.
  await settled('all sends', Promise.all([client.stop(), server.ask('stop')]), server, client)
  await settled('all deliveries', server.ask('drained'), server, client)
  const ofClient = await client.report()
  const { reports, stats } = (await server.ask('report')) as { reports: TrafficReport[]; stats: { resumed: number } }
  const [ofServer] = reports as [TrafficReport]
  const { told } = ofClient
  const count = faults.filter(({ fault }) => fault.kind !== 'heal').length
  console.info(
    `storm in ${where}, seed ${seed}, ${DURATION_MS / 1_000} s: ${ofClient.sent.length} messages to the server, ` +
      `${ofServer.sent.length} to the client, ${count} faults, ${told.connections} connections, ` +
      `${told.resumed} resumed (${stats.resumed} as the server counts)`,
  )
  expect({
    refused: [...ofClient.refused, ...ofServer.refused],
    sessions: reports.length,
    gaps: told.gaps,
    lost: told.lost,
    toServer: examine({ sent: ofClient.sent, delivered: ofServer.delivered }),
    toClient: examine({ sent: ofServer.sent, delivered: ofClient.delivered }),
  }).toEqual({ refused: [], sessions: 1, gaps: 0, lost: 0, toServer: faultless, toClient: faultless })
  // It was no fair weather, and both ends have talked all the time.
  expect(told.resumed).toBeGreaterThan(2)
  for (const { sent } of [ofClient, ofServer]) expect(sent.length).toBeGreaterThan((PER_SECOND * DURATION_MS) / 2_000)
}
