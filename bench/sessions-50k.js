// @ts-check
// Fifty thousand sessions on one machine: that none is taken for dead, what one costs, and that a message reaches all.
//
//   node bench/sessions-50k.js [--sessions 50000] [--servers 3] [--topics 1] [--seconds 60]
//
// heartline only. Three server processes with a third of the sessions each (a process may be held to 20,000 descriptors), and
// as many client processes, each of which connects from addresses of its own, since it takes long to find a free port at an
// address of which many are taken. The clients are bare sockets, so that they leave CPU and memory to the servers, but they attach, subscribe, acknowledge, and
// answer each PING. With `--topics 0` they do not subscribe, and each is sent the message itself: what a subscription costs is
// the difference. The heartbeat is the default: 10 s, and 5 s to answer.

import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerWith, play, start } from './harness/child.js'
import { nowMs } from './harness/crowd.js'
import { memoryInUse } from './harness/memory.js'
import { benchOptions } from './harness/options.js'

const TOPIC = 'all'
const MESSAGE = 'x'.repeat(128)
const HEARTBEAT = { intervalMs: 10_000, timeoutMs: 5_000 }
/** Addresses of each client process. */
const ADDRESSES = 16
/** Connections that a client process opens at the same time. */
const OPENING = 50
/** Until each new session has had its first heartbeat. */
const SETTLE_MS = HEARTBEAT.intervalMs * 1.5
/** First byte of a WebSocket message: text, and all of it. */
const TEXT_MESSAGE = 0x81
const HELLO = JSON.stringify({ window: { messages: 4_096, bytes: 262_144 } })
const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  `Sec-WebSocket-Protocol: heartline.v1, heartline.hello.${encodeURIComponent(HELLO)}`,
  '\r\n',
].join('\r\n')
const SWITCHING = Buffer.from('HTTP/1.1 101')
const PONG = textMessage('Q')
const ACKNOWLEDGED_NONE = textMessage('A0')
const SUBSCRIBE = textMessage(`S ${JSON.stringify({ ref: 1, topic: TOPIC, from: 'now' })}`)

await play({ measure, serve, connect })

async function measure() {
  const {
    sessions,
    servers: processes,
    topics,
    seconds,
  } = benchOptions({
    sessions: 50_000,
    servers: 3,
    topics: 1,
    seconds: 60,
  })
  const servers = Array.from({ length: processes }, () => start('serve', String(topics)))
  const ports = await Promise.all(servers.map((server) => server.answer()))
  const clients = ports.map(() => start('connect', String(topics)))
  const shares = ports.map((_, i) => Math.floor((sessions + i) / processes))
  /**
   * @param {ReturnType<typeof start>[]} children
   * @param {(i: number) => object} questionOf
   * @returns {Promise<Record<string, number>[]>}
   */
  const askEach = (children, questionOf) => Promise.all(children.map((child, i) => child.ask(questionOf(i))))
  const sum = (/** @type {Record<string, number>[]} */ answers, /** @type {string} */ key) =>
    answers.reduce((total, answer) => total + answer[key], 0)
  const count = (/** @type {number} */ value, digits = 0) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

  const empty = await askEach(servers, () => ({ do: 'memory' }))
  const startMs = nowMs()
  await askEach(clients, (i) => ({ do: 'open', port: ports[i], network: `127.0.${i + 1}`, sessions: shares[i] }))
  console.log(`${count(sessions)} sessions open in ${count((nowMs() - startMs) / 1_000, 1)} s`)

  await sleep(SETTLE_MS)
  const held = await askEach(servers, () => ({ do: 'memory' }))
  const perSession = (/** @type {string} */ key) => count((sum(held, key) - sum(empty, key)) / sessions)
  console.log(
    `memory of the servers per session: ${perSession('heap')} B heap and external, ${perSession('rss')} B resident`,
  )

  await askEach(clients, () => ({ do: 'begin' }))
  const cpu = await askEach(servers, () => ({ do: 'idle', forMs: seconds * 1_000 }))
  const beats = await askEach(clients, () => ({ do: 'beats' }))
  const least = Math.min(...beats.map(({ fewest }) => fewest))
  console.log(
    `heartbeats answered in ${seconds} s: ${count(sum(beats, 'all'))}, ${least} or more by each session; ` +
      `CPU of the servers ${count(sum(cpu, 'userMs'))} ms user, ${count(sum(cpu, 'systemMs'))} ms system`,
  )

  const haveAll = askEach(clients, (i) => ({ do: 'have', messages: shares[i] }))
  const publishedMs = nowMs()
  await askEach(servers, () => ({ do: 'publish' }))
  const reachedMs = Math.max(...(await haveAll).map(({ atMs }) => atMs))
  console.log(`a message has reached all within ${count(reachedMs - publishedMs)} ms`)

  await sleep(SETTLE_MS)
  const stats = await askEach(servers, () => ({ do: 'stats' }))
  const ends = await askEach(clients, () => ({ do: 'ends' }))
  for (const child of [...clients, ...servers]) child.stop()
  const [connections, ghosts, violations] = ['connections', 'ghosts', 'violations'].map((key) => sum(stats, key))
  const [lost, arrived] = ['lost', 'arrived'].map((key) => sum(ends, key))
  console.log(
    `at the end ${count(connections)} connections; ${ghosts} taken for dead, ${violations} violations, ${lost} lost, ` +
      `${count(arrived)} messages delivered`,
  )
  const leastExpected = Math.floor((seconds * 1_000) / (HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs))
  if (connections !== sessions || ghosts || violations || lost || arrived !== sessions || least < leastExpected) {
    console.error('Not all sessions were held.')
    process.exitCode = 1
  }
}

/** @param {string} topics */
async function serve(topics) {
  const { createServer } = await import('heartline/server')
  /** @type {any} */
  const options = { port: 0, heartbeat: HEARTBEAT, ...(Number(topics) && { authorize: () => true }) }
  /** @type {any} */
  const server = createServer(options)
  const { port } = await server.listening
  answerWith({
    async memory() {
      const { rss, heapUsed, external } = await memoryInUse()
      return { rss, heap: heapUsed + external }
    },
    /** @param {{ forMs: number }} question */
    async idle({ forMs }) {
      const before = process.cpuUsage()
      await sleep(forMs)
      const { user, system } = process.cpuUsage(before)
      return { userMs: user / 1_000, systemMs: system / 1_000 }
    },
    publish() {
      if (Number(topics)) void server.publish(TOPIC, MESSAGE)
      else for (const session of server.sessions()) void session.send(MESSAGE)
      return true
    },
    stats: () => server.stats,
  })
  process.send?.(port)
}

/** @param {string} topics */
function connect(topics) {
  /** @type {BareSession[]} */
  const sessions = []
  let lost = 0
  let arrived = 0
  let awaited = Infinity
  /** @type {(answer: { atMs: number }) => void} */
  let allArrived = () => {}
  const onMessage = () => {
    if (++arrived === awaited) allArrived({ atMs: nowMs() })
  }
  answerWith({
    /** @param {{ port: number, network: string, sessions: number }} question */
    async open({ port, network, sessions: wanted }) {
      let left = wanted
      const open = async () => {
        while (left-- > 0) {
          const address = `${network}.${(left % ADDRESSES) + 1}`
          const socket = net.connect({ port, host: '127.0.0.1', localAddress: address, noDelay: true })
          const session = new BareSession(socket, Boolean(Number(topics)), onMessage)
          await session.ready
          socket.on('close', () => lost++)
          sessions.push(session)
        }
      }
      await Promise.all(Array.from({ length: OPENING }, open))
      return true
    },
    begin() {
      for (const session of sessions) session.beats = 0
      return true
    },
    beats() {
      const beats = sessions.map((session) => session.beats)
      return { all: beats.reduce((sum, each) => sum + each, 0), fewest: beats.reduce((a, b) => Math.min(a, b)) }
    },
    /** @param {{ messages: number }} question */
    have: ({ messages }) =>
      new Promise((resolve) => {
        awaited = messages
        allArrived = resolve
        if (arrived >= messages) resolve({ atMs: nowMs() })
      }),
    ends: () => ({ lost, arrived }),
  })
}

/** All that the protocol asks of a client that is idle, and no more. */
class BareSession {
  beats = 0
  #socket
  #subscribes
  #onMessage
  /** @type {Buffer | undefined} the beginning of a frame */
  #rest
  #isUpgraded = false
  /** Of the topic, and their bytes. */
  #taken = { messages: 0, bytes: 0 }
  /** @type {(value?: unknown) => void} */
  #isReady = () => {}

  /**
   * @param {net.Socket} socket
   * @param {boolean} subscribes
   * @param {() => void} onMessage
   */
  constructor(socket, subscribes, onMessage) {
    this.#socket = socket
    this.#subscribes = subscribes
    this.#onMessage = onMessage
    this.ready = new Promise((resolve) => (this.#isReady = resolve))
    socket.on('error', (error) => fail(`A connection failed: ${error.message}`))
    socket.on('data', (data) => this.#read(data))
    socket.write(UPGRADE)
  }

  /** @param {Buffer} data */
  #read(data) {
    let bytes = this.#rest ? Buffer.concat([this.#rest, data]) : data
    if (!this.#isUpgraded) {
      const end = bytes.indexOf('\r\n\r\n')
      if (end >= 0) {
        if (!bytes.subarray(0, 12).equals(SWITCHING)) fail(`The server answered ${bytes.toString('latin1', 0, end)}`)
        this.#isUpgraded = true
        bytes = bytes.subarray(end + 4)
      }
    }
    while (this.#isUpgraded && bytes.length >= 2) {
      const isLong = bytes[1] === 126
      if (isLong && bytes.length < 4) break
      const start = isLong ? 4 : 2
      const length = isLong ? bytes.readUInt16BE(2) : bytes[1]
      if (bytes.length < start + length) break
      this.#take(bytes[0], bytes.toString('latin1', start, start + length))
      bytes = bytes.subarray(start + length)
    }
    // A copy: what came with it would be kept as long.
    this.#rest = bytes.length ? Buffer.from(bytes) : undefined
  }

  /**
   * @param {number} head of the WebSocket message
   * @param {string} frame
   */
  #take(head, frame) {
    if (head !== TEXT_MESSAGE) return fail(`The server sent ${head.toString(16)} ${frame.slice(0, 100)}`)
    switch (frame[0]) {
      case 'P':
        this.beats++
        this.#socket.write(PONG)
        break
      case 'Q':
        break
      case 'W':
        this.#socket.write(ACKNOWLEDGED_NONE)
        if (this.#subscribes) this.#socket.write(SUBSCRIBE)
        else this.#isReady()
        break
      case 'O':
        this.#isReady()
        break
      case 'D':
        if (frame !== `D1,0 ${MESSAGE}`) fail(`Another message came: ${frame}`)
        this.#onMessage()
        this.#socket.write(textMessage('A1'))
        break
      case 'T':
        if (frame.slice(frame.indexOf(' ') + 1) !== MESSAGE) fail(`Another message came: ${frame}`)
        this.#onMessage()
        this.#taken.messages++
        this.#taken.bytes += MESSAGE.length
        this.#socket.write(textMessage(`A0,${this.#taken.messages},${this.#taken.bytes}`))
        break
      default:
        fail(`The server sent ${frame.slice(0, 100)}`)
    }
  }
}

/**
 * @param {string} reason
 * @returns {void}
 */
function fail(reason) {
  console.error(reason)
  process.exit(1)
}

/** @param {string} frame of at most 125 characters */
function textMessage(frame) {
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([Buffer.from([TEXT_MESSAGE, 0x80 | frame.length, 0, 0, 0, 0]), Buffer.from(frame)])
}
