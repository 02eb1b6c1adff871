// @ts-check
// How long after a lost connection's successor is there the client has what it missed, in round trips of 100 ms.
//
//   node bench/resume.js [--rounds 5] [--contenders socket.io,heartline]
//
// Both ends and a proxy that delays each direction by 50 ms are in one process. The proxy resets the connection, so that
// both ends know, and refuses others until the server has sent 20 messages. Time counts from the TCP connection that gets
// through. Raw `ws` has no sessions: it is only timed until a new connection is open.

import { setTimeout as sleep } from 'node:timers/promises'
import { contendersOf } from './contenders/index.js'
import { benchOptions } from './harness/options.js'
import { printComparison } from './harness/table.js'
import { faultProxy } from '../dist/testing.js'

const DELAY_MS = 50
const MISSED = 20
/** For what is under way, such as acknowledgements and resets, to arrive. */
const QUIET_MS = 6 * DELAY_MS
const GIVE_UP_MS = 30_000

const { rounds, contenders: names } = benchOptions({ rounds: 5 })
const contenders = contendersOf(names)

/** @type {Record<string, number[]>} */
const openRoundTrips = Object.fromEntries(contenders.map(({ name }) => [name, []]))
/** @type {Record<string, number[]>} */
const missedRoundTrips = Object.fromEntries(contenders.map(({ name }) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const contender of contenders) {
    const { openMs, missedMs } = await resume(contender)
    openRoundTrips[contender.name].push(openMs / (2 * DELAY_MS))
    if (missedMs !== undefined) missedRoundTrips[contender.name].push(missedMs / (2 * DELAY_MS))
  }
}
printComparison({
  title: `resume, round trips after TCP`,
  contenders,
  rows: [
    { label: 'until open', samples: openRoundTrips },
    { label: `until ${MISSED} missed messages are there`, samples: missedRoundTrips },
  ],
  digits: 2,
})

/**
 * Cuts a connection, and times its successor.
 *
 * @param {import('./contenders/contender.js').Contender} contender
 * @returns {Promise<{ openMs: number, missedMs?: number }>}
 */
async function resume(contender) {
  /** @type {import('./contenders/contender.js').Peer | undefined} */
  let peer
  const server = await contender.serve((connected) => (peer ??= connected))
  const proxy = await faultProxy({ target: Number(new URL(server.url).port) })
  proxy.delay(DELAY_MS)
  /** @type {string[]} */
  const arrived = []
  let connectedMs = 0
  let openMs = 0
  /** @type {(ms: number) => void} */
  let allArrived = () => {}
  const allArrivedMs = new Promise((resolve) => (allArrived = resolve))
  try {
    const client = await contender.connect(proxy.url)
    client.onMessage((data) => {
      arrived.push(String(data))
      if (arrived.length === MISSED + 1) allArrived(performance.now())
    })
    client.onReopen(() => (openMs = performance.now()))
    peer?.send('before')
    await sleep(QUIET_MS)

    proxy.refuse()
    proxy.reset()
    await sleep(QUIET_MS)
    for (let i = 0; i < MISSED; i++) peer?.send(`missed ${i}`)
    await sleep(QUIET_MS)

    proxy.on('open', () => (connectedMs = performance.now()))
    proxy.heal()
    proxy.delay(DELAY_MS)
    if (!contender.recovers) {
      const next = await contender.connect(proxy.url)
      openMs = performance.now()
      await next.close()
      return { openMs: openMs - connectedMs }
    }
    const missedMs = await Promise.race([allArrivedMs, sleep(GIVE_UP_MS, NaN, { ref: false })])
    if (arrived.join() !== ['before', ...Array.from({ length: MISSED }, (_, i) => `missed ${i}`)].join()) {
      throw new Error(`${contender.label} delivered ${arrived.join(', ')}`)
    }
    await client.close()
    return { openMs: openMs - connectedMs, missedMs: missedMs - connectedMs }
  } finally {
    await proxy.close()
    await server.close()
  }
}
