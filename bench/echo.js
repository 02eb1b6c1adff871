// @ts-check
// Messages per second that come back from an echoing server in another process.
//
//   node bench/echo.js [--rounds 5] [--seconds 1.5] [--contenders socket.io,heartline]

import { setTimeout as sleep } from 'node:timers/promises'
import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

const WARM_UP_MS = 500
const CELLS = [
  { connections: 1, inFlight: 64, bytes: 32 },
  { connections: 1, inFlight: 64, bytes: 1024 },
  { connections: 100, inFlight: 8, bytes: 32 },
  { connections: 100, inFlight: 8, bytes: 1024 },
  { connections: 1, inFlight: 1, bytes: 32 },
  { connections: 1, inFlight: 1, bytes: 1024 },
]

await play({ measure, serve, connect })

async function measure() {
  const { rounds, seconds, contenders: names } = benchOptions({ rounds: 5, seconds: 1.5 })
  const contenders = contendersOf(names)
  const results = await measureRounds({
    rounds,
    contenders,
    cells: CELLS,
    async begin({ name }) {
      const server = start('serve', name)
      const client = start('connect', name)
      pin(server.pid, 0)
      pin(client.pid, 1)
      return { url: await server.answer(), server, client }
    },
    measure: (cell, { url, client }) => client.ask({ do: 'echo', url, ...cell, forMs: seconds * 1_000 }),
    end({ server, client }) {
      client.stop()
      server.stop()
    },
  })
  printComparison({
    title: 'echo, messages/s',
    contenders,
    rows: results.map(({ cell: { connections, inFlight, bytes }, samples }) => ({
      label: `${connections} × ${inFlight} in flight, ${bytes} B`,
      samples,
    })),
  })
}

/** @param {string} name */
async function serve(name) {
  const { url } = await contenderOf(name).serve((peer) => peer.onMessage((data) => peer.send(data)))
  process.send?.(url)
}

/** @param {string} name */
function connect(name) {
  const contender = contenderOf(name)
  answerWith({
    /** @param {{ url: string, connections: number, inFlight: number, bytes: number, forMs: number }} question */
    async echo({ url, connections, inFlight, bytes, forMs }) {
      const message = 'x'.repeat(bytes)
      const clients = await Promise.all(Array.from({ length: connections }, () => contender.connect(url)))
      let replies = 0
      let isEnding = false
      let underWay = connections * inFlight
      /** @type {(value?: unknown) => void} */
      let ended = () => {}
      for (const client of clients) {
        client.onMessage((data) => {
          if (/** @type {string | Buffer} */ (data).length !== bytes) throw new Error(`Another message came: ${data}`)
          replies++
          if (!isEnding) client.send(message)
          else if (--underWay === 0) ended()
        })
        for (let i = 0; i < inFlight; i++) client.send(message)
      }
      await sleep(WARM_UP_MS)
      const before = { replies, ms: performance.now() }
      await sleep(forMs)
      const perSecond = ((replies - before.replies) / (performance.now() - before.ms)) * 1_000
      // All that was sent has to come back: an echo that loses messages is no echo.
      isEnding = true
      await new Promise((resolve) => (ended = resolve))
      await Promise.all(clients.map((client) => client.close()))
      return perSecond
    },
  })
}
