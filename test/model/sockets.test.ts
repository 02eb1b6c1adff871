import fc from 'fast-check'
import { expect, test } from 'vitest'
import { virtualClock } from '../../src/testing/index.ts'
import { HeartbeatWebSocket, ReconnectingWebSocket, type Data } from '../../src/websocket/index.ts'
import { checkAsync } from './check.ts'
import { SimulatedNetwork } from './simulated-network.ts'

type Step =
  | { readonly kind: 'send' | 'push' | 'refuse' | 'heal' }
  | { readonly kind: 'blackHole'; readonly direction: 'both' | 'clientToServer' | 'serverToClient' }
  | { readonly kind: 'cut'; readonly code: number }
  | { readonly kind: 'freeze'; readonly forMs: number }
  | { readonly kind: 'jump'; readonly byMs: number }

interface Schedule {
  readonly delayMs: number
  readonly steps: readonly { readonly afterMs: number; readonly step: Step }[]
}

const harmless: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('send' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('freeze' as const), forMs: fc.integer({ min: 1, max: 60_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('jump' as const), byMs: fc.integer({ min: -60_000, max: 3_600_000 }) }),
  },
)
const anything: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: harmless },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('refuse' as const, 'heal' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('blackHole' as const),
      direction: fc.constantFrom('both' as const, 'clientToServer' as const, 'serverToClient' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('cut' as const), code: fc.constantFrom(1001, 1006, 1012, 4000) }),
  },
)
const schedules = (steps: fc.Arbitrary<Step>): fc.Arbitrary<Schedule> =>
  fc.record({
    delayMs: fc.integer({ min: 1, max: 200 }),
    steps: fc.array(
      fc.record({
        afterMs: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 20_000 })),
        step: steps,
      }),
      { maxLength: 40, size: 'max' },
    ),
  })

const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong' }

/** Runs the real class, timers and all, over a simulated network in virtual time, and closes it at the end. */
async function run(schedule: Schedule, inDoubt: 'report' | 'resend') {
  const clock = virtualClock()
  const uninstall = clock.install()
  try {
    const network = new SimulatedNetwork(clock, schedule.delayMs)
    const sent: string[] = []
    const lost: Data[] = []
    const codes: number[] = []
    let maxAttached = 0
    let maxTimers = 0
    const observe = () => {
      maxAttached = Math.max(maxAttached, network.transports.filter((transport) => transport.isAttached).length)
      maxTimers = Math.max(maxTimers, clock.pending - network.pending)
    }
    const socket = new ReconnectingWebSocket('ws://simulated/', [], {
      WebSocket: network.WebSocket,
      heartbeat,
      outbox: { inDoubt },
    })
    socket.addEventListener('statechange', (event) => {
      expect(event.untracked).toBe(0)
      lost.push(...event.inDoubt, ...event.unsent)
      observe()
    })
    socket.addEventListener('close', ({ code }) => codes.push(code))
    for (const { afterMs, step } of schedule.steps) {
      await clock.advanceAsync(afterMs)
      observe()
      switch (step.kind) {
        case 'send':
          sent.push(String(sent.length))
          socket.send(sent.at(-1)!)
          break
        case 'push':
          network.push('reading')
          break
        case 'blackHole':
          network.blackHole(step.direction)
          break
        case 'cut':
          network.cut(step.code)
          break
        case 'freeze':
          clock.freeze(step.forMs)
          break
        case 'jump':
          clock.jumpWallClock(step.byMs)
          break
        default:
          network[step.kind]()
      }
    }
    network.heal()
    await clock.advanceAsync(120_000)
    observe()
    const stateAtEnd = socket.state
    const timersAtEnd = clock.pending - network.pending
    socket.close(1000, 'done')
    await clock.advanceAsync(120_000)
    return { sent, lost, codes, maxAttached, maxTimers, stateAtEnd, timersAtEnd, socket, network, clock }
  } finally {
    uninstall()
  }
}

const ascending = (texts: readonly string[]) => texts.toSorted((a, b) => Number(a) - Number(b))

test('[INV-TOLD] every message that was sent has arrived once and in order, or is handed back', async () => {
  await checkAsync('report', schedules(anything), 400, async (schedule) => {
    const { sent, lost, network } = await run(schedule, 'report')
    expect(network.received).toEqual(ascending(network.received))
    expect(new Set(network.received).size).toBe(network.received.length)
    const told = new Set([...network.received, ...lost.map(String)])
    expect(sent.filter((text) => !told.has(text))).toEqual([])
  })
})

test('[INV-TOLD] with resend every message arrives at least once, and first arrivals are in order', async () => {
  await checkAsync('resend', schedules(anything), 400, async (schedule) => {
    const { sent, network } = await run(schedule, 'resend')
    expect([...new Set(network.received)]).toEqual(sent)
  })
})

test('[INV-ONE] [INV-TIMER] one transport, one timer, open again at the end, and nothing is left after close', async () => {
  await checkAsync('one', schedules(anything), 400, async (schedule) => {
    const result = await run(schedule, 'report')
    expect(result.maxAttached).toBeLessThanOrEqual(1)
    expect(result.maxTimers).toBeLessThanOrEqual(1)
    expect(result.stateAtEnd).toBe('open')
    expect(result.socket.readyState).toBe(3)
    expect(result.clock.pending - result.network.pending).toBe(0)
    expect(result.codes.at(-1)).toBe(1000)
  })
})

test('[INV-LIVE] without faults of the network no freeze, clock jump or traffic ends a connection', async () => {
  await checkAsync('live', schedules(harmless), 400, async (schedule) => {
    const { codes } = await run(schedule, 'report')
    expect(codes).toEqual([1000])
  })
})

test('[P1] HeartbeatWebSocket closes within the bound on a path that is dead in any direction', async () => {
  const arbitrary = fc.tuple(
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 0, max: 60_000 }),
    fc.constantFrom('both' as const, 'clientToServer' as const, 'serverToClient' as const),
  )
  await checkAsync('dead path', arbitrary, 300, async ([delayMs, deadAtMs, direction]) => {
    const clock = virtualClock()
    const uninstall = clock.install()
    try {
      const network = new SimulatedNetwork(clock, delayMs)
      const socket = new HeartbeatWebSocket('ws://simulated/', [], { WebSocket: network.WebSocket, heartbeat })
      let closedAt = Infinity
      let code = 0
      socket.onclose = (event) => {
        closedAt = clock.now()
        code = event.code
      }
      await clock.advanceAsync(3 * delayMs + deadAtMs)
      network.blackHole(direction)
      const diedAt = clock.now()
      await clock.advanceAsync(30_000)
      expect(code).toBe(4701)
      // One more trip for what was on its way, and the granularity of timers.
      expect(closedAt).toBeLessThanOrEqual(diedAt + 15_000 + 2 * delayMs + 5)
      // The native close event has not come.
      expect(network.transports[0]!.readyState).toBe(2)
      expect(clock.pending - network.pending).toBe(0)
    } finally {
      uninstall()
    }
  })
})
