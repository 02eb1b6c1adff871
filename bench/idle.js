// @ts-check
// Memory and CPU of servers whose connections are idle, with a heartbeat every 10 s.
//
//   node bench/idle.js [--rounds 3] [--connections 5000,20000] [--seconds 30] [--contenders socket.io,heartline]
//
// Two server processes for each contender with half of the connections each (a process may be held to 20,000
// descriptors) and two client processes. The connections of all contenders are open at the same time and are measured in
// the same seconds. Memory is what the connections beyond the first thousand have added, so that what a library loads
// or makes once does not count.

import { setTimeout as sleep } from 'node:timers/promises'
import { HEARTBEAT_MS } from './contenders/contender.js'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { memoryInUse } from './harness/memory.js'
import { benchOptions } from './harness/options.js'
import { printComparison } from './harness/table.js'

const PROCESSES = 2
const FIRST_CONNECTIONS = 1_000
/** Connections that a client process opens at the same time. */
const OPENING = 100
/** Until each new connection has had its first heartbeat. */
const SETTLE_MS = HEARTBEAT_MS * 1.5

/** @typedef {{ rss: number, heapUsed: number, sockets: number }} Answer */
/** @typedef {{ cpuMs: number[], rss: number[], heapUsed: number[] }} Figures */

await play({ measure, serve, connect })

async function measure() {
  const {
    rounds,
    connections: sizes,
    seconds,
    contenders: names,
  } = benchOptions({
    rounds: 3,
    connections: [5_000, 20_000],
    seconds: 30,
  })
  const contenders = contendersOf(names)
  const all = await Promise.all(contenders.map(({ name }) => startContender(name)))
  for (const each of all) await each.open(FIRST_CONNECTIONS)
  await sleep(SETTLE_MS)
  const first = await Promise.all(all.map(({ ask }) => ask({ do: 'memory' })))

  /** @type {Map<number, Figures[]>} for each number of connections the figures of the contenders */
  const figures = new Map()
  for (const size of sizes) {
    for (const each of all) await each.open(size)
    await sleep(SETTLE_MS)
    /** @type {number[][]} */
    const cpuMs = all.map(() => [])
    for (let round = 0; round < rounds; round++) {
      const answers = await Promise.all(all.map(({ ask }) => ask({ do: 'idle', forMs: seconds * 1_000 })))
      answers.forEach((answer, i) => cpuMs[i].push(answer.cpuMs))
    }
    const memory = await Promise.all(all.map(({ ask }) => ask({ do: 'memory' })))
    figures.set(
      size,
      memory.map((now, i) => {
        if (now.sockets !== size) {
          throw new Error(`${contenders[i].label} has ${now.sockets} sockets open where there should be ${size}.`)
        }
        const perConnection = (/** @type {'rss' | 'heapUsed'} */ key) =>
          (now[key] - first[i][key]) / (size - FIRST_CONNECTIONS)
        return { cpuMs: cpuMs[i], rss: [perConnection('rss')], heapUsed: [perConnection('heapUsed')] }
      }),
    )
  }
  for (const each of all) each.stop()

  const rows = (/** @type {keyof Figures} */ key, /** @type {string} */ what) =>
    Array.from(figures, ([size, ofContenders]) => ({
      label: `${size.toLocaleString('en')} connections${what}`,
      samples: Object.fromEntries(contenders.map(({ name }, i) => [name, ofContenders[i][key]])),
    }))
  printComparison({
    title: 'idle, bytes of server memory per connection',
    contenders,
    rows: [...rows('heapUsed', ', heap'), ...rows('rss', ', resident')],
  })
  console.log()
  printComparison({ title: `idle, server CPU ms in ${seconds} s`, contenders, rows: rows('cpuMs', '') })
}

/**
 * Starts the processes of a contender and makes them one.
 *
 * @param {string} name
 */
async function startContender(name) {
  const servers = Array.from({ length: PROCESSES }, () => start('serve', name))
  const urls = await Promise.all(servers.map((server) => server.answer()))
  const clients = urls.map(() => start('connect', name))
  return {
    /** @param {number} connections */
    async open(connections) {
      await Promise.all(
        clients.map((client, i) => client.ask({ do: 'open', url: urls[i], connections: connections / PROCESSES })),
      )
    },
    /**
     * @param {object} question
     * @returns {Promise<Record<string, number>>} the sums of what the servers answer
     */
    async ask(question) {
      const answers = await Promise.all(servers.map((server) => server.ask(question)))
      return Object.fromEntries(
        Object.keys(answers[0]).map((key) => [key, answers.reduce((sum, answer) => sum + answer[key], 0)]),
      )
    },
    stop() {
      for (const child of [...clients, ...servers]) child.stop()
    },
  }
}

/** @param {string} name */
async function serve(name) {
  const { url } = await contenderOf(name).serve(() => {})
  answerWith({
    async memory() {
      const { rss, heapUsed } = await memoryInUse()
      const sockets = process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length
      return { rss, heapUsed, sockets }
    },
    /** @param {{ forMs: number }} question */
    async idle({ forMs }) {
      const before = process.cpuUsage()
      await sleep(forMs)
      const { user, system } = process.cpuUsage(before)
      return { cpuMs: (user + system) / 1_000 }
    },
  })
  process.send?.(url)
}

/** @param {string} name */
function connect(name) {
  const contender = contenderOf(name)
  /** @type {unknown[]} held, so that they stay open */
  const clients = []
  answerWith({
    /** @param {{ url: string, connections: number }} question how many there are to be */
    async open({ url, connections }) {
      let left = connections - clients.length
      const open = async () => {
        while (left-- > 0) clients.push(await contender.connect(url))
      }
      await Promise.all(Array.from({ length: OPENING }, open))
      return clients.length
    },
  })
}
