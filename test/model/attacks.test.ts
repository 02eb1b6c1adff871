import { afterEach, expect, test } from 'vitest'
import { virtualClock } from '../../src/testing/index.ts'
import { HeartbeatWebSocket, ReconnectingWebSocket, type StateChangeEvent } from '../../src/websocket/index.ts'
import { SimulatedNetwork } from './simulated-network.ts'

/** Ways in which the classes were broken once, in virtual time. */

const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong' }
const host = globalThis as { document?: EventTarget & { hidden: boolean } }
const cleanUps: (() => void)[] = []
afterEach(() => {
  while (cleanUps.length) cleanUps.pop()!()
})

function setUp() {
  const clock = virtualClock()
  cleanUps.push(clock.install())
  const network = new SimulatedNetwork(clock, 10)
  const changes: StateChangeEvent[] = []
  const options = { WebSocket: network.WebSocket, heartbeat }
  return { clock, network, options, changes }
}

test('a close of the peer that crosses ours proves nothing: what was sent last is in doubt', async () => {
  const { clock, network, options, changes } = setUp()
  const socket = new ReconnectingWebSocket('ws://simulated/', [], options)
  socket.onstatechange = (event) => changes.push(event)
  await clock.advanceAsync(1_000)
  network.cut(1001)
  socket.send('important')
  socket.close()
  await clock.advanceAsync(10_000)
  expect(changes.at(-1)).toMatchObject({ state: 'closed', inDoubt: ['important'] })
})

test('an answer to our own close is proof', async () => {
  const { clock, options, changes } = setUp()
  const socket = new ReconnectingWebSocket('ws://simulated/', [], options)
  socket.onstatechange = (event) => changes.push(event)
  await clock.advanceAsync(1_000)
  socket.send('important')
  socket.close(1000, 'done')
  await clock.advanceAsync(10_000)
  expect(changes.at(-1)).toMatchObject({ state: 'closed', inDoubt: [], unsent: [] })
})

test('a signal that aborts inside the first provider call closes for good', async () => {
  const { clock, network, options } = setUp()
  const controller = new AbortController()
  const provider = () => {
    controller.abort()
    return 'ws://simulated/'
  }
  const socket = new ReconnectingWebSocket(provider, [], { ...options, signal: controller.signal })
  await clock.advanceAsync(60_000)
  expect(socket.readyState).toBe(3)
  expect(network.transports).toHaveLength(0)
  expect(clock.pending - network.pending).toBe(0)
})

test('what was sent and would be sent once more is in doubt, not unsent, when the end comes first', async () => {
  const { clock, network, options, changes } = setUp()
  const socket = new ReconnectingWebSocket('ws://simulated/', [], { ...options, outbox: { inDoubt: 'resend' } })
  socket.onstatechange = (event) => changes.push(event)
  await clock.advanceAsync(1_000)
  socket.send('delivered?')
  network.cut(1006)
  await clock.advanceAsync(11)
  expect(socket.state).toBe('waiting')
  socket.send('held')
  socket.close()
  await clock.advanceAsync(10_000)
  expect(changes.at(-1)).toMatchObject({ state: 'closed', inDoubt: ['delivered?'], unsent: ['held'] })
})

test('a held message that the transport refuses is in doubt, and what is behind it is sent', async () => {
  const { clock, network, options, changes } = setUp()
  const taken = process.listeners('uncaughtException')
  const uncaught: unknown[] = []
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => void uncaught.push(error))
  cleanUps.push(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of taken) process.on('uncaughtException', listener)
  })
  const refusal = new TypeError('unsupported')
  const WebSocket = class extends network.WebSocket {
    override send(data: unknown): void {
      if (data === 'unsupported') throw refusal
      super.send(data)
    }
  }
  const socket = new ReconnectingWebSocket('ws://simulated/', [], { ...options, WebSocket })
  socket.onstatechange = (event) => changes.push(event)
  socket.send('unsupported')
  socket.send('after')
  await clock.advanceAsync(1_000)
  expect(network.received).toEqual(['after'])
  expect(uncaught).toEqual([refusal])
  network.cut(1006)
  await clock.advanceAsync(1_000)
  expect(changes.flatMap(({ inDoubt }) => inDoubt)).toEqual(['unsupported', 'after'])
})

test('close() takes what the platform takes: a code as text, a fraction, no arguments', async () => {
  for (const code of ['3001', 3000.7, undefined]) {
    const { clock, options } = setUp()
    const codes: number[] = []
    const socket = new HeartbeatWebSocket('ws://simulated/', [], options)
    socket.onclose = (event) => codes.push(event.code)
    await clock.advanceAsync(1_000)
    socket.close(code as number)
    await clock.advanceAsync(10_000)
    expect(codes).toEqual([code === undefined ? 1005 : Math.trunc(Number(code))])
  }
})

test('with silenceMs a closing handshake still has five seconds, and a wake-up does not move the verdict', async () => {
  const { clock, network, options } = setUp()
  const document = Object.assign(new EventTarget(), { hidden: false })
  host.document = document
  cleanUps.push(() => delete host.document)
  const silent = { ...options, heartbeat: { silenceMs: 300_000 } }
  const socket = new HeartbeatWebSocket('ws://simulated/', [], silent)
  const other = new HeartbeatWebSocket('ws://simulated/', [], { ...options, heartbeat: { silenceMs: 60_000 } })
  await clock.advanceAsync(1_000)
  network.blackHole('both')
  socket.close()
  await clock.advanceAsync(5_010)
  expect(socket.readyState).toBe(3)
  await clock.advanceAsync(50_000)
  document.dispatchEvent(new Event('resume'))
  await clock.advanceAsync(4_100)
  expect(other.readyState).toBe(3)
})

test('only `true` hides a message: an asynchronous isReply hides none', async () => {
  const { clock, network, options } = setUp()
  const socket = new HeartbeatWebSocket('ws://simulated/', [], {
    ...options,
    heartbeat: { message: 'ping', isReply: (async () => true) as unknown as () => boolean },
  })
  const messages: unknown[] = []
  socket.onmessage = ({ data }) => messages.push(data)
  await clock.advanceAsync(1_000)
  network.push('news')
  await clock.advanceAsync(1_000)
  expect(messages).toEqual(['news'])
})

test('options in the place of the protocols are refused by name', () => {
  for (const Class of [HeartbeatWebSocket, ReconnectingWebSocket]) {
    expect(() => new Class('ws://simulated/', { heartbeat } as unknown as string[])).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION',
        message: expect.stringContaining('options are the third argument'),
      }),
    )
  }
})

test('with() refuses wrong options at once', () => {
  expect(() => HeartbeatWebSocket.with({ heartbeet: 1 } as object)).toThrow(/Unknown option `heartbeet`/)
})
