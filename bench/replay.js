// @ts-check
// What it takes to bring clients up to date that have missed 10,000 messages of a topic.
//
//   node bench/replay.js [--rounds 1] [--clients 1,500] [--messages 10000] [--contenders socket.io,heartline]
//
// All clients lose their connection, texts of 128 B are published, and all clients come back at once. Time counts until the
// last one has every message, once and in order. Raw `ws` stands for an application that keeps the messages in an array and
// is told by the client how many it has; it waits for a connection that is 64 KiB behind. The server is on one core and all
// clients on the other one. Memory is the highest that was resident, beyond what was before the clients came back, with the
// messages kept.

import { setTimeout as sleep } from 'node:timers/promises'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { messageOf, nowMs, playCrowd, startCrowd } from './harness/crowd.js'
import { memoryInUse } from './harness/memory.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { figures, measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

const PROCESSES = 4
const TOPIC = 'all'
/** Messages published in one turn of the server's event loop. */
const BURST = 100
/** For acknowledgements that are under way. */
const SETTLE_MS = 100
const POLL_MS = 20

/** @typedef {{ ms: number, userMs: number, systemMs: number, peakBytes: number }} Sample */

await play({ measure, serve, connect: playCrowd })

async function measure() {
  const {
    rounds,
    clients: sizes,
    messages,
    contenders: names,
  } = benchOptions({
    rounds: 1,
    clients: [1, 500],
    messages: 10_000,
  })
  const contenders = contendersOf(names)
  pin(process.pid, 1)
  /** @type {{ cell: number, samples: Record<string, Sample[]> }[]} */
  const results = []
  for (const clients of sizes) {
    results.push(
      ...(await measureRounds({
        rounds,
        contenders,
        cells: [clients],
        begin: async (contender) => contender.name,
        measure: (_, name) => replay(name, clients, messages),
        end() {},
      })),
    )
  }
  const rows = (/** @type {(sample: Sample) => number} */ figureOf, what = '') =>
    results.map(({ cell, samples }) => ({
      label: `${cell.toLocaleString('en')} ${cell === 1 ? 'client' : 'clients'}${what}`,
      samples: figures(samples, figureOf),
    }))
  const title = `${messages.toLocaleString('en')} missed messages`
  printComparison({ title: `${title}, ms until all are there`, contenders, rows: rows(({ ms }) => ms) })
  console.log()
  printComparison({
    title: `${title}, ms of server CPU`,
    contenders,
    rows: [...rows(({ userMs }) => userMs, ', user'), ...rows(({ systemMs }) => systemMs, ', system')],
  })
  console.log()
  printComparison({
    title: `${title}, MB of server memory at most`,
    contenders,
    rows: rows(({ peakBytes }) => peakBytes / 1e6),
  })
}

/**
 * In processes of its own: the highest memory of a process never falls.
 *
 * @param {string} name
 * @param {number} clients
 * @param {number} messages
 * @returns {Promise<Sample>}
 */
async function replay(name, clients, messages) {
  const server = start('serve', name)
  pin(server.pid, 0)
  const subscribers = startCrowd(name, Math.min(PROCESSES, clients))
  await subscribers.open(await server.answer(), clients)
  await subscribers.subscribe([[TOPIC]])
  // What has never received anything cannot say where it was.
  await server.ask({ do: 'publish', messages: 1 })
  await subscribers.have(1)
  await subscribers.drop()
  await server.ask({ do: 'deserted' })
  await server.ask({ do: 'publish', messages })

  await server.ask({ do: 'begin' })
  const haveAll = subscribers.have(1 + messages)
  const startMs = nowMs()
  subscribers.comeBack()
  const ms = (await haveAll) - startMs
  await sleep(SETTLE_MS)
  const sample = { ms, ...(await server.ask({ do: 'end' })) }
  subscribers.stop()
  server.stop()
  return sample
}

/** @param {string} name */
async function serve(name) {
  const server = await contenderOf(name).serveTopics({ retains: true })
  let published = 0
  let cpuBefore = process.cpuUsage()
  let residentBefore = 0
  answerWith({
    /** Answers when no connection is left. */
    async deserted() {
      while (server.connections() > 0) await sleep(POLL_MS)
      return true
    },
    /** @param {{ messages: number }} question */
    async publish({ messages }) {
      for (let i = 0; i < messages; i++) {
        server.publish(TOPIC, messageOf(0, ++published))
        if (i % BURST === 0) await sleep(0)
      }
      return true
    },
    async begin() {
      residentBefore = (await memoryInUse()).rss
      cpuBefore = process.cpuUsage()
      return true
    },
    end() {
      const { user, system } = process.cpuUsage(cpuBefore)
      const peakBytes = process.resourceUsage().maxRSS * 1_024 - residentBefore
      return { userMs: user / 1_000, systemMs: system / 1_000, peakBytes }
    },
  })
  process.send?.(server.url)
}
