import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { ReconnectingWebSocket } from '../../src/websocket/index.ts'
import { Journal } from './journal.ts'
import { test } from './scene.ts'

const CLIENTS = 1_000
/** Upper end of the first delay, by default. */
const MIN_DELAY_MS = 1_000
const BUCKET_MS = 50

/** The largest share of the values that one bucket holds. */
function largestShare(values: readonly number[]): number {
  const buckets = new Map<number, number>()
  for (const value of values) {
    const bucket = Math.floor(value / BUCKET_MS)
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1)
  }
  return Math.max(...buckets.values()) / values.length
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

test('a thousand clients come back after a restart of the server, spread by full jitter (field notes: a whole fleet returns at once)', async ({
  scene,
}) => {
  const atServer: number[] = []
  const server = await scene.server({ connected: () => atServer.push(performance.now()) })
  // Without the notes of all that the server does.
  const journal = new Journal()
  const clients = Array.from({ length: CLIENTS }, () => {
    const client = { opens: 0, retryInMs: [] as number[], lostMs: [] as number[], attemptMs: [] as number[] }
    const socket = new ReconnectingWebSocket(server.url, [], {
      WebSocket,
      heartbeat: { message: 'ping', intervalMs: 60_000 },
    })
    scene.atEnd(() => socket.close())
    socket.onstatechange = ({ state, retryInMs }) => {
      if (state === 'waiting') {
        client.retryInMs.push(retryInMs!)
        client.lostMs.push(performance.now())
      } else if (state === 'connecting') {
        client.attemptMs.push(performance.now())
      } else if (state === 'open') {
        client.opens++
        journal.note('open')
      }
    }
    return client
  })
  const opened = (times: number) => clients.filter(({ opens }) => opens >= times).length
  await journal.until('all open', () => opened(1) === CLIENTS)
  expect(server.connections).toHaveLength(CLIENTS)

  await server.stop()
  await server.listen()
  const upMs = performance.now()
  await journal.until('all open again', () => opened(2) === CLIENTS, 30_000)
  const backMs = performance.now() - upMs

  const delays = clients.map(({ retryInMs }) => retryInMs[0]!)
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(MIN_DELAY_MS)
  // Uniform: a mean of half with a standard deviation of 0.009, and 5 % in each bucket with one of 0.7 %.
  expect(mean(delays) / MIN_DELAY_MS).toBeGreaterThan(0.45)
  expect(mean(delays) / MIN_DELAY_MS).toBeLessThan(0.55)
  expect(largestShare(delays)).toBeLessThan(0.15)
  expect(new Set(delays).size).toBeGreaterThan(CLIENTS * 0.9)
  // What was drawn is what is done. (The time of the loss is taken a little later than the delay is drawn.)
  const early = clients.filter(({ retryInMs, lostMs, attemptMs }) => attemptMs[0]! - lostMs[0]! < retryInMs[0]! - 50)
  expect(early).toEqual([])
  const arrivals = atServer.slice(CLIENTS)
  expect(arrivals).toHaveLength(CLIENTS)
  // Clients, server and a busy machine delay the arrivals, so only lockstep is told from spread here.
  expect(largestShare(arrivals)).toBeLessThan(0.5)

  expect(server.live).toHaveLength(CLIENTS)
  expect(server.maxLive).toBe(CLIENTS)
  expect(clients.every(({ opens }) => opens === 2)).toBe(true)
  console.info(
    `${CLIENTS} clients: all back ${backMs.toFixed(0)} ms after the server, mean delay ${mean(delays).toFixed(0)} ms, ` +
      `fullest ${BUCKET_MS} ms hold ${(100 * largestShare(delays)).toFixed(1)} % of the delays and ` +
      `${(100 * largestShare(arrivals)).toFixed(1)} % of the arrivals`,
  )
})
