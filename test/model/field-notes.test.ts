import { afterEach, expect, test } from 'vitest'
import { virtualClock, type VirtualClock } from '../../src/testing/index.ts'
import { HeartbeatWebSocket, ReconnectingWebSocket } from '../../src/websocket/index.ts'
import { SimulatedNetwork } from './simulated-network.ts'

/** Failures of other clients that need no real socket to be shown absent: the real classes in virtual time. */

const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong' }
const host = globalThis as { document?: EventTarget & { hidden: boolean } }
const cleanUps: (() => void)[] = []
afterEach(() => {
  while (cleanUps.length) cleanUps.pop()!()
})

function setUp(): { clock: VirtualClock; network: SimulatedNetwork; options: object } {
  const clock = virtualClock()
  cleanUps.push(clock.install())
  const network = new SimulatedNetwork(clock, 10)
  return { clock, network, options: { WebSocket: network.WebSocket, heartbeat } }
}

test('without a heartbeat a dead path is never noticed, with one it is (field notes: raw ws on a black-holed link)', async () => {
  const { clock, network, options } = setUp()
  const codes: number[] = []
  const bare = new HeartbeatWebSocket('ws://simulated/', [], { ...options, heartbeat: false })
  const watched = new HeartbeatWebSocket('ws://simulated/', [], options)
  for (const socket of [bare, watched]) socket.addEventListener('close', ({ code }) => codes.push(code))
  await clock.advanceAsync(1_000)
  network.blackHole('both')
  await clock.advanceAsync(1_097_000)
  expect(codes).toEqual([4701])
  expect([bare.readyState, watched.readyState]).toEqual([1, 3])
})

test('a second probe before the reply to the first closes nothing (field notes: tRPC wsConnection)', async () => {
  const { clock, options } = setUp()
  const document = Object.assign(new EventTarget(), { hidden: false })
  host.document = document
  cleanUps.push(() => delete host.document)
  const socket = new ReconnectingWebSocket('ws://simulated/', [], options)
  const codes: number[] = []
  socket.addEventListener('close', ({ code }) => codes.push(code))
  await clock.advanceAsync(10_021)
  for (let count = 0; count < 5; count++) document.dispatchEvent(new Event('visibilitychange'))
  await clock.advanceAsync(60_000)
  expect(codes).toEqual([])
})

test('a reply that was missed on one transport does not count against the next (field notes: Psycheros#42)', async () => {
  const { clock, network, options } = setUp()
  const socket = new ReconnectingWebSocket('ws://simulated/', [], options)
  const codes: number[] = []
  socket.addEventListener('close', ({ code }) => codes.push(code))
  await clock.advanceAsync(1_000)
  network.blackHole('both')
  await clock.advanceAsync(10_000)
  network.heal()
  await clock.advanceAsync(300_000)
  expect(codes).toEqual([4701])
  expect(socket.readyState).toBe(1)
})

test('only the client → server direction silent is noticed in the same bound (field notes: Socket.IO’s client learns 25 s later)', async () => {
  const { clock, network, options } = setUp()
  const socket = new HeartbeatWebSocket('ws://simulated/', [], options)
  await clock.advanceAsync(1_000)
  network.blackHole('clientToServer')
  await clock.advanceAsync(15_000)
  expect(socket.readyState).toBe(3)
})

test('a resume without visibilitychange probes at once (field notes: phoenix#6804)', async () => {
  const { clock, network, options } = setUp()
  const document = Object.assign(new EventTarget(), { hidden: true })
  host.document = document
  cleanUps.push(() => delete host.document)
  const socket = new HeartbeatWebSocket('ws://simulated/', [], options)
  await clock.advanceAsync(1_000)
  network.blackHole('both')
  document.dispatchEvent(new Event('resume'))
  await clock.advanceAsync(2_050)
  expect(socket.readyState).toBe(3)
})

test('an error event is not the end (field notes: Firefox’s error event treated as fatal)', async () => {
  const { clock, network, options } = setUp()
  const socket = new ReconnectingWebSocket('ws://simulated/', [], options)
  await clock.advanceAsync(1_000)
  network.transports[0]!.onerror!(new Event('error'))
  network.cut(1006)
  await clock.advanceAsync(5_000)
  expect(socket.readyState).toBe(1)
})

test('mounted twice, the first one closed at once, leaves one connection (field notes: partykit#336)', async () => {
  const { clock, network, options } = setUp()
  const first = new ReconnectingWebSocket('ws://simulated/', [], options)
  first.close()
  const second = new ReconnectingWebSocket('ws://simulated/', [], options)
  await clock.advanceAsync(120_000)
  expect([first.readyState, second.readyState]).toEqual([3, 1])
  expect(network.transports.filter((transport) => transport.isAttached)).toHaveLength(1)
})
