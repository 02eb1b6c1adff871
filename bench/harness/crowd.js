// @ts-check
// Many subscribers in several processes, which check what comes: each message once, and in the order of its topic.
import { contenderOf } from '../contenders/index.js'
import { answerWith, start } from './child.js'
import { Histogram } from './histogram.js'
import { pin } from './pin.js'

/** Length of a message. What has another length is not checked, nor counted. */
const BYTES = 128
const NUMBER_DIGITS = 8
const TOPIC_DIGITS = 4
/** Connections that a process opens at the same time. */
const OPENING = 50

/**
 * @param {number} topic its index
 * @param {number} number of the message in the topic, from 1
 */
export function messageOf(topic, number) {
  return `${digits(number, NUMBER_DIGITS)}${digits(topic, TOPIC_DIGITS)}`.padEnd(BYTES, 'x')
}

/** Milliseconds of a clock that all processes of the machine share. */
export const nowMs = () => Number(process.hrtime.bigint()) / 1e6

/**
 * @param {number} number
 * @param {number} length
 */
const digits = (number, length) => String(number).padStart(length, '0')

/**
 * Starts processes in the role `connect`, on core 1, and makes them one.
 *
 * @param {string} name of the contender
 * @param {number} processes
 */
export function startCrowd(name, processes) {
  const children = Array.from({ length: processes }, () => start('connect', name))
  for (const { pid } of children) pin(pid, 1)
  /** @type {number[]} */
  let shares = []
  /** @param {(share: number, i: number) => object} questionOf */
  const askEach = (questionOf) => Promise.all(children.map((child, i) => child.ask(questionOf(shares[i], i))))
  return {
    /**
     * @param {string} url
     * @param {number} clients
     */
    open(url, clients) {
      shares = children.map((_, i) => Math.floor((clients + i) / processes))
      return askEach((share) => ({ do: 'open', url, clients: share }))
    },
    /** @param {string[][]} topics of the first client, the second, … and from the beginning again */
    subscribe: (topics) => askEach(() => ({ do: 'subscribe', topics })),
    /**
     * @param {number} messages that each client has to have since it was opened
     * @returns {Promise<number>} when the last one had them
     */
    have: async (messages) => Math.max(...(await askEach((share) => ({ do: 'have', total: share * messages })))),
    /**
     * From now on takes down when the messages of topic 0 come.
     *
     * @param {{ after: number, messages: number }} range
     */
    record: ({ after, messages }) => askEach(() => ({ do: 'record', after, messages })),
    /** @param {number[]} publishedAtMs of the messages that were recorded */
    async latencies(publishedAtMs) {
      const histogram = new Histogram()
      for (const counts of await askEach(() => ({ do: 'latencies', publishedAtMs }))) histogram.merge(counts)
      return histogram
    },
    /** All lose their connection. */
    drop: () => askEach(() => ({ do: 'drop' })),
    /** All connect again; it does not wait for it. */
    comeBack() {
      for (const child of children) child.tell({ do: 'comeBack' })
    },
    /** @param {'SIGSTOP' | 'SIGCONT'} signal */
    signal(signal) {
      for (const { pid } of children) process.kill(/** @type {number} */ (pid), signal)
    },
    stop() {
      for (const child of children) child.stop()
    },
  }
}

/**
 * The role `connect`.
 *
 * @param {string} name of the contender
 */
export function playCrowd(name) {
  const contender = contenderOf(name)
  /** @type {import('../contenders/contender.js').Subscriber[]} */
  const subscribers = []
  let arrived = 0
  let awaited = Infinity
  /** @type {(atMs: number) => void} */
  let allArrived = () => {}
  let recorded = { after: 0, messages: 0 }
  /** @type {Float64Array | undefined} */
  let arrivedAtMs

  /**
   * @param {string} url
   * @param {number} index
   */
  const join = (url, index) => {
    /** @type {number[]} */
    const last = []
    return contender.join(url, (data) => {
      if (/** @type {string | Buffer} */ (data).length !== BYTES) return
      const head = String(data)
      const number = Number(head.slice(0, NUMBER_DIGITS))
      const topic = Number(head.slice(NUMBER_DIGITS, NUMBER_DIGITS + TOPIC_DIGITS))
      const expected = (last[topic] ?? 0) + 1
      if (number !== expected) {
        // An error that is thrown would be caught by one library or the other.
        console.error(`${name}: message ${number} of topic ${topic} came where ${expected} was expected.`)
        process.exit(1)
      }
      last[topic] = number
      if (arrivedAtMs) arrivedAtMs[index * recorded.messages + number - recorded.after - 1] = nowMs()
      if (++arrived === awaited) allArrived(nowMs())
    })
  }

  answerWith({
    /** @param {{ url: string, clients: number }} question */
    async open({ url, clients }) {
      let left = clients
      const open = async () => {
        while (left > 0) {
          const index = --left
          subscribers[index] = await join(url, index)
        }
      }
      await Promise.all(Array.from({ length: OPENING }, open))
      return clients
    },
    /** @param {{ topics: string[][] }} question */
    async subscribe({ topics }) {
      await Promise.all(subscribers.map((subscriber, i) => subscriber.subscribe(topics[i % topics.length])))
      return true
    },
    /** @param {{ total: number }} question */
    have: ({ total }) =>
      new Promise((resolve) => {
        awaited = total
        allArrived = resolve
        if (arrived >= total) resolve(nowMs())
      }),
    /** @param {{ after: number, messages: number }} range */
    record(range) {
      recorded = range
      arrivedAtMs = new Float64Array(subscribers.length * range.messages)
      return true
    },
    /** @param {{ publishedAtMs: number[] }} question */
    latencies({ publishedAtMs }) {
      const histogram = new Histogram()
      arrivedAtMs?.forEach((atMs, i) => histogram.record(atMs - publishedAtMs[i % recorded.messages]))
      arrivedAtMs = undefined
      return histogram
    },
    async drop() {
      await Promise.all(subscribers.map((subscriber) => subscriber.drop()))
      return true
    },
    comeBack() {
      for (const subscriber of subscribers) subscriber.comeBack()
    },
  })
}
