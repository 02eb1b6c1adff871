import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkAsync } from './check.ts'
import { checkPeace, checkRest } from './topics/oracle.ts'
import type { Retention } from '../../src/stores/store.ts'
import { simulateTopics, type TopicSchedule, type TopicStep } from './topics/simulation.ts'

const client = fc.nat(99)
const topic = fc.oneof({ weight: 3, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(49) })
const count = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }))
const except = fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: client })
const start = fc.oneof(
  fc.constantFrom('now' as const, 'first' as const),
  fc.record({ last: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ back: fc.nat(30) }),
)
const anyStart = fc.oneof(
  { weight: 6, arbitrary: start },
  { weight: 1, arbitrary: fc.constantFrom('elsewhere' as const, 'beyond' as const) },
)
const step = (weight: number, kind: TopicStep['kind'], rest: Record<string, fc.Arbitrary<unknown>>) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(kind), ...rest }) as unknown as fc.Arbitrary<TopicStep>,
})

const publish = step(14, 'publish', { topic, count, size: fc.constantFrom(20, 20, 40, 400), except })
const subscribing = [
  step(4, 'subscribe', { client, topic, start }),
  step(2, 'unsubscribe', { client, topic: fc.nat(9) }),
]
/** Nothing that breaks a connection. */
const harmless = fc.oneof(
  publish,
  ...subscribing,
  step(2, 'volatile', { topic, count, except }),
  step(1, 'inbox', { count }),
  step(2, 'stall', { client, topic: fc.nat(9) }),
  step(1, 'release', {}),
  step(1, 'clog', { forMs: fc.integer({ min: 1, max: 3_000 }) }),
)
const freeze = step(1, 'freeze', {
  client: fc.option(client, { nil: undefined }),
  forMs: fc.integer({ min: 1, max: 30_000 }),
})
/** Handlers that begin to stall, and stay so. */
const stalling = fc.oneof(
  publish,
  publish,
  ...subscribing,
  step(2, 'volatile', { topic, count, except }),
  step(3, 'stall', { client, topic: fc.nat(9) }),
  step(1, 'cut', { client, topic }),
)
/** Faults of the network and the processes that a subscription has to survive without any loss. */
const survivable = fc.oneof(
  { weight: 27, arbitrary: harmless },
  step(3, 'cut', { client, topic }),
  step(1, 'cutAll', {}),
  step(1, 'halfOpen', { client, to: fc.constantFrom('client' as const, 'server' as const) }),
  step(1, 'network', { delayMs: fc.constantFrom(0, 1, 20, 200, 1_500) }),
  step(1, 'down', { isDown: fc.boolean() }),
  freeze,
  step(1, 'readsFail', { count: fc.integer({ min: 1, max: 3 }) }),
  step(1, 'join', {}),
  step(1, 'leave', { client }),
)
/** And those that cost sessions or messages. */
const anything = fc.oneof(
  { weight: 30, arbitrary: survivable },
  step(1, 'subscribe', { client, topic, start: anyStart }),
  step(2, 'serverSubscribes', { client, topic, start }),
  step(1, 'serverUnsubscribes', { client, topic }),
  step(1, 'toSubject', { subject: fc.nat(1), count: fc.integer({ min: 1, max: 5 }) }),
  step(1, 'restart', { keepsStore: fc.boolean() }),
  step(1, 'storeRestarts', {}),
  step(1, 'revoke', { topic, isRevoked: fc.boolean() }),
)

const handler = fc
  .tuple(
    fc.array(fc.oneof(fc.constant('at once' as const), fc.integer({ min: 0, max: 300 })), { maxLength: 4 }),
    fc.constantFrom(['at once'] as const, ['at once'] as const, ['fails', 'at once', 'at once', 'at once'] as const),
  )
  .map((plans) => plans.flat())
const snapshot = fc.record({
  takesMs: fc.constantFrom(0, 50, 3_000),
  covers: fc.constantFrom(0, 0, 5),
  fails: fc.boolean(),
})
const plan = fc.record({
  handler,
  snapshot: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: snapshot }),
})
const large: Retention = { maxMessages: 10_000, maxBytes: 1_048_576, maxAgeMs: 1e9 }
const small = fc.record({
  maxMessages: fc.constantFrom(1, 5, 30, 10_000),
  maxBytes: fc.constantFrom(100, 2_000, 1_048_576),
  maxAgeMs: fc.constantFrom(1_000, 30_000, 300_000),
})
const afterMs = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 50 }),
  fc.integer({ min: 0, max: 3_000 }),
  fc.integer({ min: 0, max: 20_000 }),
)

const sizes = (usual: number, most: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: usual }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: most }) },
  )

interface Setting {
  readonly retention?: Retention
  readonly ttlMs?: number
  readonly clients?: fc.Arbitrary<number>
}

function schedules(
  steps: fc.Arbitrary<TopicStep>,
  { retention, ttlMs = 60_000, clients = sizes(3, 8) }: Setting,
): fc.Arbitrary<TopicSchedule> {
  return fc.record({
    seed: fc.integer(),
    clients,
    topics: sizes(3, 50),
    window: fc.record({ messages: fc.constantFrom(1, 3, 20, 4_096), bytes: fc.constantFrom(100, 2_000, 262_144) }),
    plans: fc.array(plan, { minLength: 1, maxLength: 3 }),
    retention: retention ? fc.constant(retention) : small,
    storeDelayMs: fc.constantFrom(undefined, undefined, 1, 50, 700),
    authorizeMs: fc.constantFrom(undefined, undefined, 0, 500),
    delayMs: fc.constantFrom(1, 20, 200),
    ttlMs: fc.constant(ttlMs),
    subscriptions: fc.integer({ min: 0, max: 8 }),
    steps: fc.array(fc.record({ afterMs, step: steps }), { maxLength: 30, size: 'max' }),
  })
}

const anyEnd = new Set(['unauthorized', 'position', 'unsubscribed', 'replaced'])

test('[P3] across any cuts a subscription loses nothing, gets nothing twice, and nothing out of order', async () => {
  await checkAsync('survivable', schedules(survivable, { retention: large, ttlMs: 1e9 }), 3_000, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, new Set())
    const gaps = outcome.clients.flatMap(({ subscriptions }) => subscriptions.filter((one) => one.gaps))
    expect(gaps).toEqual([])
  })
})

test('[P3] where messages are gone, or a whole history, a gap covers exactly what is missing', async () => {
  await checkAsync('anything', schedules(anything, { ttlMs: 15_000 }), 1_000, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, anyEnd)
  })
})

test('[INV-LIVE] without faults no connection ends, however slow the handlers are, and nobody is held up', async () => {
  await checkAsync('harmless', schedules(harmless, { retention: large }), 1_000, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, new Set())
    expect(outcome.clients.flatMap(({ process }) => process.endings)).toEqual([])
  })
})

test('[INV-LIVE] a handler that never comes to an end holds up its own subscription alone', async () => {
  const some = schedules(stalling, { retention: large }).map((schedule) => ({
    ...schedule,
    // Room for one of each, in half of it.
    window: { messages: 60, bytes: 262_144 },
    topics: Math.min(3, schedule.topics),
    staysStalled: true,
  }))
  await checkAsync('stalling', some, 1_000, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, new Set())
  })
})

test('[P3] [HELLO-7] where HELLO has no room for all subscriptions, nothing is lost, and nothing comes twice', async () => {
  const made = step(6, 'serverSubscribes', { client, topic: fc.nat(49), start })
  const some = schedules(fc.oneof({ weight: 40, arbitrary: survivable }, made), { retention: large, ttlMs: 1e9 })
  const many = fc
    .tuple(some, fc.integer({ min: 20, max: 50 }), fc.integer({ min: 20, max: 60 }))
    .map(([schedule, topics, subscriptions]) => ({ ...schedule, topics, subscriptions, nameLength: 250 }))
  await checkAsync('many', many, 500, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, new Set(['replaced']))
    const gaps = outcome.clients.flatMap(({ subscriptions }) => subscriptions.filter((one) => one.gaps))
    expect(gaps).toEqual([])
  })
})

test('[P3] of up to 100 clients each gets its own', async () => {
  const clients = fc.integer({ min: 20, max: 100 })
  await checkAsync('crowd', schedules(anything, { ttlMs: 15_000, clients }), 50, async (schedule) => {
    const outcome = await simulateTopics(schedule)
    checkPeace(outcome)
    checkRest(outcome, anyEnd)
  })
})
