// @ts-check
// What subscribers of a topic cost in memory of the server, beyond their connections and the topic's log.
//
//   node bench/topic-memory.js [--rounds 1] [--clients 5000] [--retained 8192] [--messages 100] [--contenders socket.io,heartline]
//
// First the clients connect. Then 1 MiB in texts of 128 B is published to a topic that nobody has subscribed to; then
// all subscribe to it, and nothing happens; then messages are published, each when all have had the one before.
// Memory is heap in use and external memory after a collection, but the highest while publishing, which includes garbage.

import { setTimeout as sleep } from 'node:timers/promises'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { messageOf, playCrowd, startCrowd } from './harness/crowd.js'
import { memoryInUse } from './harness/memory.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { figures, measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

const PROCESSES = 4
const TOPIC = 'all'
/** Messages published in one turn of the server's event loop while nobody listens. */
const BURST = 100
/** For what is under way, such as first heartbeats and acknowledgements, and for what is only kept for a moment. */
const SETTLE_MS = 2_000

/**
 * Bytes at each step.
 *
 * @typedef {{ empty: number, connected: number, retained: number, subscribed: number, highest: number, published: number }} Sample
 */

await play({ measure, serve, connect: playCrowd })

async function measure() {
  const options = benchOptions({ rounds: 1, clients: 5_000, retained: 8_192, messages: 100 })
  const { rounds, clients } = options
  const contenders = contendersOf(options.contenders)
  pin(process.pid, 1)
  const [{ samples }] = await measureRounds({
    rounds,
    contenders,
    cells: [clients],
    begin: async (contender) => contender.name,
    measure: (_, name) => steps(name, options),
    end() {},
  })
  const row = (/** @type {string} */ label, /** @type {(sample: Sample) => number} */ figureOf) => ({
    label,
    samples: figures(samples, figureOf),
  })
  printComparison({
    title: `memory, bytes per client (${clients.toLocaleString('en')} clients)`,
    contenders,
    rows: [
      row('connected', ({ connected, empty }) => (connected - empty) / clients),
      row('subscribed, beyond connection and log', ({ subscribed, retained }) => (subscribed - retained) / clients),
      row('after publishing, beyond connection and log', ({ published, retained }) => (published - retained) / clients),
      row('while publishing at most, with garbage', ({ highest, retained }) => (highest - retained) / clients),
    ],
  })
  const log = row('without subscribers', ({ retained, connected }) => (retained - connected) / 1_000)
  console.log()
  printComparison({
    title: `memory of a topic's log, kB (${options.retained.toLocaleString('en')} messages)`,
    contenders,
    // Raw `ws` keeps nothing.
    rows: [{ label: log.label, samples: { ...log.samples, ws: [] } }],
  })
}

/**
 * @param {string} name
 * @param {{ clients: number, retained: number, messages: number }} options
 * @returns {Promise<Sample>}
 */
async function steps(name, { clients, retained, messages }) {
  const server = start('serve', name)
  pin(server.pid, 0)
  const subscribers = startCrowd(name, PROCESSES)
  const url = await server.answer()
  const bytes = async () => {
    await sleep(SETTLE_MS)
    return server.ask({ do: 'memory' })
  }
  const sample = { empty: 0, connected: 0, retained: 0, subscribed: 0, highest: 0, published: 0 }
  sample.empty = await bytes()
  await subscribers.open(url, clients)
  sample.connected = await bytes()
  await server.ask({ do: 'retain', messages: retained })
  sample.retained = await bytes()
  await subscribers.subscribe([[TOPIC]])
  sample.subscribed = await bytes()
  for (let i = 1; i <= messages; i++) {
    const haveAll = subscribers.have(i)
    sample.highest = Math.max(sample.highest, await server.ask({ do: 'publish' }))
    await haveAll
  }
  sample.published = await bytes()
  subscribers.stop()
  server.stop()
  return sample
}

/** @param {string} name */
async function serve(name) {
  const server = await contenderOf(name).serveTopics()
  let published = 0
  const inUse = (/** @type {NodeJS.MemoryUsage} */ { heapUsed, external }) => heapUsed + external
  answerWith({
    memory: async () => inUse(await memoryInUse()),
    /** @param {{ messages: number }} question */
    async retain({ messages }) {
      for (let i = 0; i < messages; i++) {
        // Nobody gets them, so nobody counts them.
        server.publish(TOPIC, messageOf(0, i))
        if (i % BURST === 0) await sleep(0)
      }
      return true
    },
    publish() {
      server.publish(TOPIC, messageOf(0, ++published))
      // What it takes in this turn, and what is waiting after it.
      return new Promise((resolve) => setImmediate(() => resolve(inUse(process.memoryUsage()))))
    },
  })
  process.send?.(server.url)
}
