// @ts-check
// What it costs a server to fan one message out to thousands of clients, and what clients that do not read change for
// the others.
//
//   node bench/broadcast.js [--rounds 3] [--clients 1000,5000] [--deliveries 150000] [--contenders socket.io,heartline]
//
// One topic, texts of 128 B. The server is on one core and all clients on the other one. The next turn's messages are
// published when every client has those of the turn before: no two turns are fanned out together, and every client is
// known to have each message once. The process that holds one client in a hundred is stopped by a signal for half of the
// measurements; before, it gets 6 MiB on another topic, so that its connections are full. When it goes on it has to get
// all that it has missed, too.
//
// The server's CPU is all that it uses from the first message until a moment after the last one has arrived, so
// acknowledgements are in it, and so is a message over a pipe for each turn, some 20 µs.

import { setTimeout as sleep } from 'node:timers/promises'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { messageOf, nowMs, playCrowd, startCrowd } from './harness/crowd.js'
import { median } from './harness/median.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { figures, measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

/** For the clients that go on reading. */
const PROCESSES = 4
const STALLED_SHARE = 0.01
const TOPIC = 'all'
/** Fills the connections of those that do not read: the buffers of the kernel take some 4 MB. */
const FILL = { topic: 'fill', messages: 96, bytes: 64 * 1024 }
/** For acknowledgements that are under way. */
const SETTLE_MS = 100
const WARM_UP_DELIVERIES = 50_000
const CELLS = [
  { burst: 1, isStalled: false },
  { burst: 10, isStalled: false },
  { burst: 1, isStalled: true },
  { burst: 10, isStalled: true },
]

/**
 * Times in milliseconds.
 *
 * @typedef {{ deliveries: number, userMs: number, systemMs: number, allMs: number, medianMs: number, p99Ms: number }} Sample
 */

await play({ measure, serve, connect: playCrowd })

async function measure() {
  const options = benchOptions({ rounds: 3, clients: [1_000, 5_000], deliveries: 150_000 })
  const contenders = contendersOf(options.contenders)
  pin(process.pid, 1)
  for (const clients of options.clients) {
    const results = await measureRounds({
      rounds: options.rounds,
      contenders,
      cells: CELLS,
      begin: ({ name }) => begin(name, clients),
      measure: ({ burst, isStalled }, started) =>
        started.fanOut({ burst, isStalled, turns: Math.ceil(options.deliveries / clients / burst) }),
      end: (started) => started.stop(),
    })
    const rows = (/** @type {(sample: Sample) => number} */ figureOf, what = '') =>
      results.map(({ cell: { burst, isStalled }, samples }) => ({
        label: `${burst === 1 ? 'one' : burst} in a turn${isStalled ? ', 1 % do not read' : ''}${what}`,
        samples: figures(samples, figureOf),
      }))
    const to = `broadcast to ${clients.toLocaleString('en')}`
    console.log()
    printComparison({
      title: `${to}, deliveries per second of server CPU`,
      contenders,
      rows: rows(({ deliveries, userMs, systemMs }) => (deliveries / (userMs + systemMs)) * 1_000),
    })
    console.log()
    printComparison({
      title: `${to}, µs of server CPU per delivery`,
      contenders,
      rows: [
        ...rows(({ deliveries, userMs }) => (userMs / deliveries) * 1_000, ', user'),
        ...rows(({ deliveries, systemMs }) => (systemMs / deliveries) * 1_000, ', system'),
      ],
      digits: 2,
    })
    console.log()
    printComparison({
      title: `${to}, ms until clients that read have a message`,
      contenders,
      rows: [
        ...rows(({ medianMs }) => medianMs, ', median'),
        ...rows(({ p99Ms }) => p99Ms, ', p99'),
        ...rows(({ allMs }) => allMs, ', all'),
      ],
      digits: 1,
    })
  }
}

/**
 * @param {string} name
 * @param {number} clients
 */
async function begin(name, clients) {
  const server = start('serve', name)
  pin(server.pid, 0)
  const readers = startCrowd(name, PROCESSES)
  const stallers = startCrowd(name, 1)
  const stalling = Math.max(1, Math.round(clients * STALLED_SHARE))
  const url = await server.answer()
  await Promise.all([readers.open(url, clients - stalling), stallers.open(url, stalling)])
  await Promise.all([readers.subscribe([[TOPIC]]), stallers.subscribe([[TOPIC, FILL.topic]])])
  let published = 0

  /** @returns {Promise<number>} when the last one had all */
  const allHave = async (crowds = [readers, stallers]) =>
    Math.max(...(await Promise.all(crowds.map((crowd) => crowd.have(published)))))
  /**
   * @param {number} burst
   * @param {(typeof readers)[]} [crowds]
   */
  const turn = (burst, crowds) => {
    published += burst
    const haveAll = allHave(crowds)
    server.tell({ do: 'publish', messages: burst })
    return haveAll
  }

  for (let i = 0; i < WARM_UP_DELIVERIES / clients; i++) await turn(1)
  return {
    /**
     * @param {{ burst: number, isStalled: boolean, turns: number }} cell
     * @returns {Promise<Sample>}
     */
    async fanOut({ burst, isStalled, turns }) {
      if (isStalled) {
        stallers.signal('SIGSTOP')
        await server.ask({ do: 'fill' })
      }
      await readers.record({ after: published, messages: turns * burst })
      await server.ask({ do: 'begin' })
      const haveAllMs = []
      for (let i = 0; i < turns; i++) haveAllMs.push(await turn(burst, isStalled ? [readers] : undefined))
      await sleep(SETTLE_MS)
      const { connections, publishedAtMs, ...cpu } = await server.ask({ do: 'end' })
      const latencies = await readers.latencies(publishedAtMs)
      if (isStalled) {
        if (connections !== clients) console.log(`${name} has given ${clients - connections} up that did not read.`)
        stallers.signal('SIGCONT')
      }
      await allHave()
      return {
        deliveries: (isStalled ? clients - stalling : clients) * turns * burst,
        ...cpu,
        allMs: median(haveAllMs.map((atMs, i) => atMs - publishedAtMs[i * burst])),
        medianMs: latencies.quantile(0.5),
        p99Ms: latencies.quantile(0.99),
      }
    },
    stop() {
      readers.stop()
      stallers.stop()
      server.stop()
    },
  }
}

/** @param {string} name */
async function serve(name) {
  const server = await contenderOf(name).serveTopics()
  let published = 0
  /** @type {number[]} */
  let publishedAtMs = []
  let before = process.cpuUsage()
  answerWith({
    begin() {
      globalThis.gc?.()
      publishedAtMs = []
      before = process.cpuUsage()
      return true
    },
    /** @param {{ messages: number }} question */
    publish({ messages }) {
      const atMs = nowMs()
      for (let i = 0; i < messages; i++) {
        publishedAtMs.push(atMs)
        server.publish(TOPIC, messageOf(0, ++published))
      }
    },
    end() {
      const { user, system } = process.cpuUsage(before)
      return { userMs: user / 1_000, systemMs: system / 1_000, publishedAtMs, connections: server.connections() }
    },
    async fill() {
      for (let i = 0; i < FILL.messages; i++) {
        server.publish(FILL.topic, 'f'.repeat(FILL.bytes))
        await sleep(1)
      }
      await sleep(SETTLE_MS)
      return true
    },
  })
  process.send?.(server.url)
}
