// @ts-check
// How fast messages are published to a hundred topics whose subscribers differ.
//
//   node bench/publish.js [--rounds 3] [--messages 10000] [--contenders socket.io,heartline]
//
// Ten subscribers for each topic: the same ten clients for all topics, or a thousand clients with one topic each. Texts of
// 128 B, to one topic after the other. The rate counts until all have come; each must come once and in the order of its
// topic. The server is on one core and all clients on the other one.

import { setTimeout as sleep } from 'node:timers/promises'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { messageOf, nowMs, playCrowd, startCrowd } from './harness/crowd.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { figures, measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

const TOPICS = 100
const SUBSCRIBERS = 10
/** Messages after which it is waited until all have come; a tenth of that for one connection is within every window. */
const WAVE = 1_000
/** For acknowledgements that are under way. */
const SETTLE_MS = 100
const CROWDS = [
  { crowd: 'few', label: '10 clients with 100 topics each', clients: SUBSCRIBERS, topicsEach: TOPICS, processes: 2 },
  {
    crowd: 'many',
    label: '1,000 clients with 1 topic each',
    clients: SUBSCRIBERS * TOPICS,
    topicsEach: 1,
    processes: 2,
  },
]
/** Messages published in one turn of the server's event loop. */
const BURSTS = [100, 1]

/** @typedef {{ messages: number, ms: number, userMs: number, systemMs: number }} Sample */

await play({ measure, serve, connect: playCrowd })

async function measure() {
  const { rounds, messages, contenders: names } = benchOptions({ rounds: 3, messages: 10_000 })
  const contenders = contendersOf(names)
  pin(process.pid, 1)
  const results = await measureRounds({
    rounds,
    contenders,
    cells: CROWDS.flatMap((crowd) => BURSTS.map((burst) => ({ ...crowd, burst }))),
    begin: ({ name }) => begin(name),
    measure: ({ crowd, burst }, started) => started.publish(crowd, burst, Math.ceil(messages / WAVE)),
    end: (started) => started.stop(),
  })
  const rows = (/** @type {(sample: Sample) => number} */ figureOf, what = '') =>
    results.map(({ cell: { label, burst }, samples }) => ({
      label: `${label}, ${burst} in a turn${what}`,
      samples: figures(samples, figureOf),
    }))
  printComparison({
    title: 'publishing to 100 topics, messages/s',
    contenders,
    rows: rows(({ messages, ms }) => (messages / ms) * 1_000),
  })
  console.log()
  printComparison({
    title: 'publishing to 100 topics, deliveries per second of server CPU',
    contenders,
    rows: rows(({ messages, userMs, systemMs }) => ((messages * SUBSCRIBERS) / (userMs + systemMs)) * 1_000),
  })
  console.log()
  printComparison({
    title: 'publishing to 100 topics, µs of server CPU per delivery',
    contenders,
    rows: [
      ...rows(({ messages, userMs }) => (userMs / messages / SUBSCRIBERS) * 1_000, ', user'),
      ...rows(({ messages, systemMs }) => (systemMs / messages / SUBSCRIBERS) * 1_000, ', system'),
    ],
    digits: 2,
  })
}

/** @param {string} name */
async function begin(name) {
  const server = start('serve', name)
  pin(server.pid, 0)
  const url = await server.answer()
  const started = await Promise.all(
    CROWDS.map(async ({ crowd, clients, topicsEach, processes }) => {
      const subscribers = startCrowd(name, processes)
      const topics = Array.from({ length: TOPICS }, (_, i) => `${crowd} ${i}`)
      await subscribers.open(url, clients)
      await subscribers.subscribe(topicsEach === TOPICS ? [topics] : topics.map((topic) => [topic]))
      return { crowd, subscribers, topicsEach, published: 0 }
    }),
  )

  /**
   * @param {string} crowd
   * @param {number} burst
   * @param {number} waves
   * @returns {Promise<Sample>}
   */
  const publish = async (crowd, burst, waves) => {
    const target = started.find((each) => each.crowd === crowd) ?? started[0]
    await server.ask({ do: 'begin' })
    const startMs = nowMs()
    let endMs = startMs
    for (let i = 0; i < waves; i++) {
      target.published += WAVE
      const haveAll = target.subscribers.have((target.published / TOPICS) * target.topicsEach)
      server.tell({ do: 'publish', crowd, burst, messages: WAVE })
      endMs = await haveAll
    }
    await sleep(SETTLE_MS)
    /** @type {{ userMs: number, systemMs: number }} */
    const cpu = await server.ask({ do: 'end' })
    return { messages: waves * WAVE, ms: endMs - startMs, ...cpu }
  }

  for (const { crowd } of CROWDS) await publish(crowd, 1, 2)
  return {
    publish,
    stop() {
      for (const { subscribers } of started) subscribers.stop()
      server.stop()
    },
  }
}

/** @param {string} name */
async function serve(name) {
  const server = await contenderOf(name).serveTopics()
  /** @type {Record<string, number>} by crowd */
  const published = {}
  let before = process.cpuUsage()
  answerWith({
    begin() {
      globalThis.gc?.()
      before = process.cpuUsage()
      return true
    },
    /** @param {{ crowd: string, burst: number, messages: number }} question */
    publish({ crowd, burst, messages }) {
      let left = messages
      const produce = () => {
        for (let i = 0; i < burst && left > 0; i++, left--) {
          const number = (published[crowd] ??= 0)
          const topic = number % TOPICS
          server.publish(`${crowd} ${topic}`, messageOf(topic, Math.floor(number / TOPICS) + 1))
          published[crowd]++
        }
        if (left > 0) setImmediate(produce)
      }
      produce()
    },
    end() {
      const { user, system } = process.cpuUsage(before)
      return { userMs: user / 1_000, systemMs: system / 1_000 }
    },
  })
  process.send?.(server.url)
}
