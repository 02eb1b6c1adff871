// @ts-check
// Messages per second that a server pushes to one client in another process, until the client has them all.
//
//   node bench/push.js [--rounds 5] [--messages 200000] [--contenders socket.io,heartline]

import { contenderOf, contendersOf } from './contenders/index.js'
import { answerWith, play, start } from './harness/child.js'
import { benchOptions } from './harness/options.js'
import { pin } from './harness/pin.js'
import { measureRounds } from './harness/rounds.js'
import { printComparison } from './harness/table.js'

const BYTES = 100
/** Messages produced in one turn of the server's event loop. */
const BURSTS = [64, 8, 1]
const MESSAGE = 'x'.repeat(BYTES)
/** The last message of a push. The client answers it with the number of messages before it. */
const END = 'end'

await play({ measure, serve, connect })

async function measure() {
  const { rounds, messages, contenders: names } = benchOptions({ rounds: 5, messages: 200_000 })
  const contenders = contendersOf(names)
  const results = await measureRounds({
    rounds,
    contenders,
    cells: BURSTS,
    async begin({ name }) {
      const server = start('serve', name)
      const client = start('connect', name)
      pin(server.pid, 0)
      pin(client.pid, 1)
      const url = await server.answer()
      await client.ask({ do: 'connect', url })
      for (const burst of BURSTS) await server.ask({ do: 'push', burst, messages: messages / 10 })
      return { server, client }
    },
    measure: (burst, { server }) => server.ask({ do: 'push', burst, messages }),
    end({ server, client }) {
      client.stop()
      server.stop()
    },
  })
  printComparison({
    title: `push of ${messages.toLocaleString('en')} × ${BYTES} B, messages/s`,
    contenders,
    rows: results.map(({ cell, samples }) => ({ label: `in bursts of ${cell}`, samples })),
  })
}

/** @param {string} name */
async function serve(name) {
  /** @type {import('./contenders/contender.js').Peer} */
  let peer
  /** @type {(data: import('./contenders/contender.js').Payload) => void} */
  let answered
  const { url } = await contenderOf(name).serve((connected) => {
    peer = connected
    peer.onMessage((data) => answered(data))
  })
  answerWith({
    /** @param {{ burst: number, messages: number }} question */
    push: ({ burst, messages }) =>
      new Promise((resolve) => {
        let sent = 0
        answered = (data) => {
          if (Number(data) !== messages) throw new Error(`Of ${messages} messages ${data} have come.`)
          resolve((messages / (performance.now() - startMs)) * 1_000)
        }
        const produce = () => {
          for (let i = 0; i < burst && sent < messages; i++, sent++) peer.send(MESSAGE)
          if (sent === messages) peer.send(END)
          else if (peer.isFull()) void peer.drained().then(() => setImmediate(produce))
          else setImmediate(produce)
        }
        const startMs = performance.now()
        produce()
      }),
  })
  process.send?.(url)
}

/** @param {string} name */
function connect(name) {
  answerWith({
    /** @param {{ url: string }} question */
    async connect({ url }) {
      const client = await contenderOf(name).connect(url)
      let arrived = 0
      client.onMessage((data) => {
        const { length } = /** @type {string | Buffer} */ (data)
        if (length === BYTES) {
          arrived++
          return
        }
        client.send(String(arrived))
        arrived = 0
      })
      return true
    },
  })
}
