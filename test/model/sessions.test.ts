import fc from 'fast-check'
import { expect, test } from 'vitest'
import { check } from './check.ts'
import { checkInbox, checkOutgoing } from './sessions/oracle.ts'
import { simulate, type Schedule, type Step } from './sessions/simulation.ts'

const count = fc.integer({ min: 1, max: 12 })
const size = fc.constantFrom(10, 10, 10, 40, 400)
const side = fc.constantFrom('client' as const, 'server' as const)
const send = fc.record({ kind: fc.constant('send' as const), from: side, count, size })
const freeze = fc.record({
  kind: fc.constant('freeze' as const),
  who: side,
  forMs: fc.integer({ min: 1, max: 30_000 }),
})
const network = fc.record({
  kind: fc.constant('network' as const),
  delayMs: fc.constantFrom(0, 1, 20, 200, 1_500, 12_000),
})
const one = <Kind extends string>(kind: Kind) => fc.record({ kind: fc.constant(kind) })

/** Nothing that breaks a connection. */
const harmless: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: send },
  { weight: 1, arbitrary: one('wake' as const) },
)
/** Faults of the network and the processes that a session has to survive without any loss. */
const survivable: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: send },
  { weight: 2, arbitrary: one('cut' as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('halfOpen' as const),
      to: fc.constantFrom('client' as const, 'server' as const, 'both' as const),
    }),
  },
  { weight: 1, arbitrary: one('wake' as const) },
  { weight: 1, arbitrary: one('goAway' as const) },
  { weight: 1, arbitrary: network },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), isDown: fc.boolean() }) },
  { weight: 1, arbitrary: freeze },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('storeLoses' as const),
      what: fc.constantFrom('request' as const, 'reply' as const),
    }),
  },
)
/** And those that cost the session. */
const anything: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: survivable },
  { weight: 1, arbitrary: one('restart' as const) },
  { weight: 1, arbitrary: one('replay' as const) },
  { weight: 1, arbitrary: one('close' as const) },
  { weight: 1, arbitrary: one('crash' as const) },
)

const peer = fc.record({
  window: fc.record({ messages: fc.constantFrom(1, 3, 20, 4_096), bytes: fc.constantFrom(100, 2_000, 262_144) }),
  acknowledge: fc.constantFrom('handled' as const, 'handled' as const, 'received' as const),
  handler: fc
    .tuple(
      fc.array(fc.oneof(fc.constant('at once' as const), fc.integer({ min: 0, max: 300 })), { maxLength: 4 }),
      fc.constantFrom(['at once'] as const, ['fails', 'at once', 'at once', 'at once'] as const),
    )
    .map((plans) => plans.flat()),
})

const schedules = (
  steps: fc.Arbitrary<Step>,
  inboxMessages: fc.Arbitrary<number>,
  ttlMs: number,
): fc.Arbitrary<Schedule> =>
  fc.record({
    seed: fc.integer(),
    client: peer,
    server: peer.map((settings) => ({ ...settings, ttlMs })),
    inboxMessages,
    storeDelayMs: fc.constantFrom(undefined, undefined, 1, 50, 2_000),
    delayMs: fc.constantFrom(1, 20, 200),
    steps: fc.array(
      fc.record({
        afterMs: fc.oneof(
          fc.constant(0),
          fc.integer({ min: 0, max: 50 }),
          fc.integer({ min: 0, max: 3_000 }),
          fc.integer({ min: 0, max: 40_000 }),
        ),
        step: steps,
      }),
      { maxLength: 30, size: 'max' },
    ),
  })

const large = fc.constant(10_000)

test('[P3] across any cuts nothing is lost, nothing comes twice, and nothing out of order', () => {
  check('survivable', schedules(survivable, large, 1e9), 12_000, (schedule) => {
    const outcome = simulate(schedule)
    checkOutgoing(outcome)
    checkInbox(outcome)
    const { client } = outcome
    // Within its time to live the session is always the same.
    expect(new Set(client.events.map(({ session }) => session)).size).toBeLessThanOrEqual(1)
    expect(client.events.filter(({ kind }) => kind === 'gap')).toEqual([])
    expect(client.lost).toEqual([])
    expect(client.core.state).toBe('open')
    expect(client.core.pending).toBe(0)
  })
})

test('[P3] where the session is lost, or the inbox overflows, a gap covers exactly what is missing', () => {
  check('anything', schedules(anything, fc.constantFrom(1, 5, 10_000), 60_000), 8_000, (schedule) => {
    const outcome = simulate(schedule)
    checkOutgoing(outcome)
    checkInbox(outcome)
  })
})

test('[INV-LIVE] without faults no connection ends, whatever is sent and however slow the handlers are', () => {
  check('harmless', schedules(harmless, large, 60_000), 2_000, (schedule) => {
    const { client, server } = simulate(schedule)
    expect(client.endings).toEqual([])
    expect(server.violations).toEqual([])
    expect(client.core.pending).toBe(0)
  })
})

test('[P3] close() of a healthy session hands nothing back: it waits for the acknowledgements', () => {
  const closing = schedules(send, large, 60_000).map((schedule) => ({
    ...schedule,
    delayMs: 20,
    storeDelayMs: schedule.storeDelayMs && 50,
    server: { ...schedule.server, window: { messages: 4_096, bytes: 262_144 }, handler: ['at once'] as const },
    steps: [...schedule.steps, { afterMs: 0, step: { kind: 'close' as const } }],
  }))
  check('closing', closing, 500, (schedule) => {
    const outcome = simulate(schedule)
    checkOutgoing(outcome)
    expect(outcome.client.lost).toEqual([])
    expect(outcome.client.core.state).toBe('closed')
    // Both sides are done with it.
    expect(outcome.server.sessions.size).toBe(0)
  })
})
