// Heartbeat CPU and memory of the guard against the isAlive sweep of the `ws` README, side by side in one run.
//
//   node bench/guard.js [--connections 20000] [--interval 1500] [--rounds 5] [--json]
//
// Two server processes with half of the connections each (a process may be held to 20,000 descriptors), two client
// processes that only answer pings. All connections are idle and stay the same in all rounds; only the heartbeat on the
// servers is changed: none, then sweep and guard in turn (A B B A A B), then none. The CPU time of the servers, user
// and system, over a whole number of intervals, minus that with no heartbeat, is what the heartbeat costs.

import { once } from 'node:events'
import net from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { answerWith, play, start } from './harness/child.js'
import { median } from './harness/median.js'
import { memoryInUse } from './harness/memory.js'

const SERVERS = 2
/** Whole intervals that are measured in each round. */
const INTERVALS = 2

await play({ measure, serve, connect })

/** Runs everything and prints the result. */
async function measure() {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '20000' },
      interval: { type: 'string', default: '1500' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
  })
  const [connections, intervalMs, rounds] = [values.connections, values.interval, values.rounds].map(Number)
  const timing = { intervalMs, timeoutMs: intervalMs }
  const startedAt = performance.now()

  const servers = Array.from({ length: SERVERS }, () => start('serve'))
  const ports = await Promise.all(servers.map((server) => server.answer()))
  const clients = ports.map(() => start('connect'))
  await Promise.all(clients.map((client, i) => client.ask({ port: ports[i], connections: connections / SERVERS })))
  const openedMs = performance.now() - startedAt

  const all = (question) => Promise.all(servers.map((server) => server.ask({ ...question, ...timing })))
  const total = (answers, key) => answers.reduce((sum, answer) => sum + answer[key], 0)

  // Memory first: what each heartbeat adds when it is switched on and nothing else changes. The first pings of all
  // bring out what `ws` and Node make on demand; that is neither's.
  for (const kind of ['sweep', 'guard']) await all({ do: 'memory', kind })
  const bytes = {}
  for (const kind of ['guard', 'sweep']) {
    const before = total(await all({ do: 'memory', kind: 'none' }), 'bytes')
    bytes[kind] = (total(await all({ do: 'memory', kind }), 'bytes') - before) / connections
  }

  const samples = { none: [], sweep: [], guard: [] }
  const turns = Array.from({ length: rounds }, (_, i) => (i % 2 ? ['guard', 'sweep'] : ['sweep', 'guard'])).flat()
  for (const kind of ['none', ...turns, 'none']) {
    const answers = await all({ do: 'cpu', kind })
    samples[kind].push({
      cpuMs: total(answers, 'cpuMs') / INTERVALS,
      pings: total(answers, 'pings') / INTERVALS,
      stallMs: Math.max(...answers.map(({ stallMs }) => stallMs)),
      lost: total(answers, 'lost'),
    })
  }
  for (const child of [...clients, ...servers]) child.stop()

  const idleMs = median(samples.none.map(({ cpuMs }) => cpuMs))
  const heartbeat = (kind) => {
    const rounds = samples[kind]
    const cpuMs = rounds.map((sample) => sample.cpuMs - idleMs)
    return {
      cpuMsPerInterval: median(cpuMs),
      cpuMsPerIntervalOfRounds: cpuMs,
      pingsPerInterval: median(rounds.map(({ pings }) => pings)),
      cpuMicrosecondsPerPing: median(rounds.map(({ pings }, i) => (cpuMs[i] / pings) * 1_000)),
      longestStallMs: median(rounds.map(({ stallMs }) => stallMs)),
      bytesPerConnection: bytes[kind],
      connectionsLost: rounds.reduce((sum, { lost }) => sum + lost, 0),
    }
  }
  const [sweep, guard] = [heartbeat('sweep'), heartbeat('guard')]
  const result = {
    connections,
    ...timing,
    rounds,
    node: process.version,
    sweep,
    guard,
    cpuRatio: guard.cpuMsPerInterval / sweep.cpuMsPerInterval,
    // On a machine that holds its processes up the guard's clock stops at times, and it pings less often than the sweep.
    cpuRatioPerPing: guard.cpuMicrosecondsPerPing / sweep.cpuMicrosecondsPerPing,
    idleCpuMsPerInterval: idleMs,
    openedMs,
    tookMs: performance.now() - startedAt,
  }

  if (values.json) {
    console.log(
      JSON.stringify(result, (_, value) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value)),
    )
    return
  }
  const row = (of) => ({
    'CPU ms / interval': Math.round(of.cpuMsPerInterval),
    'of the rounds': of.cpuMsPerIntervalOfRounds.map(Math.round).join(' '),
    'pings / interval': Math.round(of.pingsPerInterval),
    'CPU us / ping': Number(of.cpuMicrosecondsPerPing.toFixed(1)),
    'longest stall ms': Math.round(of.longestStallMs),
    'bytes / connection': Math.round(of.bytesPerConnection),
    lost: of.connectionsLost,
  })
  console.log(
    `${connections} idle connections, interval ${intervalMs} ms, median of ${rounds} rounds, Node ${result.node}`,
  )
  console.table({ 'isAlive sweep': row(sweep), guard: row(guard) })
  console.log(
    `CPU of the guard: ${result.cpuRatio.toFixed(2)} x the sweep's; per ping ${result.cpuRatioPerPing.toFixed(2)} x`,
  )
  console.log(`(no heartbeat: ${Math.round(idleMs)} ms / interval; took ${Math.round(result.tookMs / 1_000)} s)`)
}

/** A server: holds connections, and changes its heartbeat when told. */
async function serve() {
  const { WebSocketServer } = await import('ws')
  const { guard } = await import('../dist/server.js')
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4096, perMessageDeflate: false })
  server.on('connection', (webSocket) => webSocket.on('error', () => {}))
  await once(server, 'listening')

  const heartbeats = {
    none: () => ({ pings: () => 0, stop() {} }),
    // As in the README of `ws`, except that it can be switched on and off with connections open.
    sweep({ intervalMs }) {
      let pings = 0
      function heartbeat() {
        this.isAlive = true
      }
      server.clients.forEach((webSocket) => {
        webSocket.isAlive = true
        webSocket.on('pong', heartbeat)
      })
      const interval = setInterval(() => {
        server.clients.forEach((webSocket) => {
          if (webSocket.isAlive === false) return webSocket.terminate()
          webSocket.isAlive = false
          webSocket.ping()
          pings++
        })
      }, intervalMs)
      const stop = () => {
        clearInterval(interval)
        server.clients.forEach((webSocket) => webSocket.off('pong', heartbeat))
      }
      return { pings: () => pings, stop }
    },
    guard({ intervalMs, timeoutMs }) {
      const guarded = guard(server, { intervalMs, timeoutMs })
      return { pings: () => guarded.stats.pings, stop: () => guarded.stop() }
    },
  }

  const switchOn = async ({ kind, intervalMs, timeoutMs }) => {
    const heartbeat = heartbeats[kind]({ intervalMs, timeoutMs })
    // The guard spreads its first pings over an interval; the sweep is measured from the middle between two sweeps.
    if (kind !== 'none') await sleep(intervalMs * 1.5)
    return heartbeat
  }
  answerWith({
    async memory(question) {
      const heartbeat = await switchOn(question)
      const { heapUsed } = await memoryInUse()
      heartbeat.stop()
      return { bytes: heapUsed }
    },
    async cpu(question) {
      const heartbeat = await switchOn(question)
      // What switching over has left behind is collected before, not within, what is measured.
      globalThis.gc()
      const before = { connections: server.clients.size, pings: heartbeat.pings(), cpu: process.cpuUsage() }
      const delay = monitorEventLoopDelay({ resolution: 20 })
      delay.enable()
      await sleep(question.intervalMs * INTERVALS)
      const { user, system } = process.cpuUsage(before.cpu)
      delay.disable()
      const pings = heartbeat.pings() - before.pings
      heartbeat.stop()
      const lost = before.connections - server.clients.size
      return { cpuMs: (user + system) / 1_000, pings, stallMs: delay.max / 1e6 - 20, lost }
    },
  })
  process.send(server.address().port)
}

/** A client: opens connections with bare sockets, so that it leaves the CPU to the servers, and answers pings. */
async function connect() {
  const pong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])
  const request = [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '\r\n',
  ].join('\r\n')
  const [{ port, connections }] = await once(process, 'message')
  let left = connections
  const open = async () => {
    while (left-- > 0) {
      const socket = net.connect(port, '127.0.0.1')
      socket.setNoDelay()
      socket.on('error', () => {})
      socket.write(request)
      const [head] = await once(socket, 'data')
      if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(head.toString('latin1'))
      // All that an idle server sends is pings of two bytes.
      socket.on('data', ({ length }) => {
        for (let i = 0; i < length; i += 2) socket.write(pong)
      })
    }
  }
  await Promise.all(Array.from({ length: 100 }, open))
  process.send({ opened: connections })
}
