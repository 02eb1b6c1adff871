import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Connection } from '../../src/core/connection.ts'
import type { Ending, LinkTiming } from '../../src/core/link.ts'
import { isRetryable, Retry } from '../../src/core/retry.ts'
import { check } from './check.ts'
import { World, type Pause } from './world.ts'

type Fault =
  /** From now on nothing comes through on the transports that are there. */
  | { readonly kind: 'blackHole'; readonly forMs: number }
  /** The transport is closed by the network or the server, with this code. */
  | { readonly kind: 'cut'; readonly code: number }
  /** New attempts are refused. */
  | { readonly kind: 'refuse'; readonly forMs: number }
  | { readonly kind: 'wake' }
  | { readonly kind: 'hide' }

interface Schedule {
  readonly heartbeat: boolean
  readonly latencyMs: number
  readonly faults: readonly { readonly afterMs: number; readonly fault: Fault }[]
  readonly pauses: readonly Pause[]
  readonly closeAtMs: number | undefined
  readonly maxAttempts: number
  readonly random: readonly number[]
}

const timing: LinkTiming = {
  connectTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
  heartbeat: { intervalMs: 10_000, timeoutMs: 5_000, listenOnly: false },
}
const retryOptions = { minDelayMs: 1_000, maxDelayMs: 30_000, stableAfterMs: 5_000 }
const END_MS = 600_000

/** Runs a connection through a schedule, over a network that has one server. */
function run(schedule: Schedule) {
  const world = new World(schedule.pauses)
  let randomIndex = 0
  const retry = new Retry(
    { ...retryOptions, maxAttempts: schedule.maxAttempts },
    {
      random: () => schedule.random[randomIndex++ % schedule.random.length]!,
      isOffline: () => false,
      shouldReconnect: isRetryable,
    },
  )
  let transport = 0
  let inFlight: number | undefined
  let blackHoleUntil = 0
  let refuseUntil = 0
  let deadTransport = 0
  let isClosed = false
  const log = {
    endings: [] as { at: number; ending: Ending; retryAt: number; state: string }[],
    attempts: [] as number[],
    deadAt: undefined as number | undefined,
    effectsAfterEnd: 0,
  }
  const input = (feed: () => void) => {
    feed()
    arm()
  }
  const arm = () => world.setTimer(connection.deadline, () => input(() => connection.tick(world.now, 0, 0)))
  /** Something reaches the host from that transport, unless the shell has dropped it. */
  const fromTransport = (id: number, afterMs: number, feed: () => void) =>
    world.at(world.now + afterMs, () => {
      if (id !== deadTransport) world.deliver(world.now, schedule.latencyMs, () => inFlight === id && input(feed))
    })
  const connection = new Connection(
    {
      connect() {
        if (isClosed) log.effectsAfterEnd++
        // [INV-ONE]
        expect(inFlight).toBeUndefined()
        inFlight = ++transport
        log.attempts.push(world.now)
        const id = transport
        if (world.now < blackHoleUntil) deadTransport = id
        else if (world.now < refuseUntil) {
          fromTransport(id, schedule.latencyMs, () => connection.ended(world.now, 1006, '', false))
        } else fromTransport(id, 2 * schedule.latencyMs, () => connection.opened(world.now))
      },
      probe() {
        if (isClosed) log.effectsAfterEnd++
        fromTransport(inFlight!, 2 * schedule.latencyMs, () => connection.received(world.now, true))
        return true
      },
      ended(ending) {
        if (isClosed) log.effectsAfterEnd++
        inFlight = undefined
        log.endings.push({ at: world.now, ending, retryAt: connection.retryAt, state: connection.state })
        isClosed = connection.state === 'closed'
      },
    },
    schedule.heartbeat ? timing : { ...timing, heartbeat: undefined },
    retry,
  )

  let at = 0
  for (const { afterMs, fault } of schedule.faults) {
    at += afterMs
    world.at(at, () => {
      switch (fault.kind) {
        case 'blackHole':
          blackHoleUntil = world.now + fault.forMs
          if (inFlight) {
            deadTransport = inFlight
            log.deadAt = world.now
          }
          break
        case 'cut': {
          const id = inFlight
          if (id && id !== deadTransport) fromTransport(id, 0, () => connection.ended(world.now, fault.code, '', false))
          break
        }
        case 'refuse':
          refuseUntil = world.now + fault.forMs
          break
        case 'wake':
          world.deliver(world.now, 0, () => input(() => connection.wake(world.now)))
          break
        case 'hide':
          // A hidden page comes back some time later.
          world.deliver(world.now, 0, () => input(() => connection.hide(world.now)))
          world.at(world.now + 3_000, () => world.deliver(world.now, 0, () => input(() => connection.wake(world.now))))
      }
    })
  }
  if (schedule.closeAtMs !== undefined) {
    world.at(schedule.closeAtMs, () =>
      world.deliver(world.now, 0, () =>
        input(() => {
          if (!connection.close(world.now)) return
          const id = inFlight
          // Without a transport the shell ends the closing by itself.
          if (id === undefined) connection.ended(world.now, 1005, '', false)
          else fromTransport(id, 2 * schedule.latencyMs, () => connection.ended(world.now, 1000, '', true))
        }),
      ),
    )
  }
  input(() => connection.connect(0))
  world.run(END_MS)
  return { world, connection, log, retry }
}

const faults: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant('blackHole' as const), forMs: fc.integer({ min: 0, max: 60_000 }) }),
  fc.record({ kind: fc.constant('cut' as const), code: fc.constantFrom(1001, 1005, 1006, 1011, 1012, 4000) }),
  fc.record({ kind: fc.constant('refuse' as const), forMs: fc.integer({ min: 0, max: 60_000 }) }),
  fc.constant({ kind: 'wake' as const }),
  fc.constant({ kind: 'hide' as const }),
)
const pauses: fc.Arbitrary<Pause[]> = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 2_000, max: 60_000 }),
    forMs: fc.integer({ min: 1, max: 60_000 }),
    kind: fc.constantFrom('blocked' as const, 'asleep' as const),
  }),
  { maxLength: 3 },
)
const schedules = (overrides: { [K in keyof Schedule]?: fc.Arbitrary<Schedule[K]> } = {}): fc.Arbitrary<Schedule> =>
  fc.record({
    heartbeat: fc.constant(true),
    latencyMs: fc.integer({ min: 1, max: 150 }),
    faults: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 40_000 }), fault: faults }), { maxLength: 10 }),
    pauses,
    closeAtMs: fc.constant(undefined),
    maxAttempts: fc.constant(Infinity),
    random: fc.array(fc.double({ min: 0.05, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 10 }),
    ...overrides,
  })

test('[INV-ONE] there is exactly one attempt or transport at a time, and it comes back after any faults', () => {
  check('faults', schedules(), 5_000, (schedule) => {
    const { connection, world } = run(schedule)
    // Faults end at 460 s at the latest, attempts are at most 30 s + 10 s apart, detection takes 15 s.
    expect(connection.state).toBe('open')
    expect(connection.deadline).toBeLessThanOrEqual(world.now + 15_000)
  })
})

test('[INV-FINAL] close() is final: nothing happens after it, within the bound of the closing handshake', () => {
  const closing = schedules({ closeAtMs: fc.integer({ min: 0, max: 400_000 }) })
  check('close', closing, 5_000, (schedule) => {
    const { connection, log, world } = run(schedule)
    expect(connection.state).toBe('closed')
    expect(log.effectsAfterEnd).toBe(0)
    expect(connection.deadline).toBe(Infinity)
    expect(world.hasTimer).toBe(false)
    expect(log.endings.at(-1)!.state).toBe('closed')
    if (world.lastPauseEndsAt < schedule.closeAtMs!) {
      expect(log.endings.at(-1)!.at).toBeLessThanOrEqual(schedule.closeAtMs! + timing.closeTimeoutMs + 1e-6)
    }
  })
})

test('[INV-LIVE] no connection is given up for silence when the network has no faults', () => {
  const quiet = schedules({
    faults: fc.array(
      fc.record({
        afterMs: fc.integer({ min: 0, max: 40_000 }),
        fault: fc.constantFrom<Fault>({ kind: 'wake' }, { kind: 'hide' }, { kind: 'cut', code: 1006 }),
      }),
      { maxLength: 10 },
    ),
  })
  check('live', quiet, 5_000, (schedule) => {
    for (const { ending } of run(schedule).log.endings) expect(ending.cause).not.toBe('heartbeat')
  })
})

test('[P1] [P2] a black hole ends the connection within the bound, and the next attempt begins in that instant', () => {
  const holes = schedules({
    faults: fc.tuple(
      fc.record({
        afterMs: fc.integer({ min: 6_000, max: 60_000 }),
        fault: fc.record({ kind: fc.constant('blackHole' as const), forMs: fc.integer({ min: 0, max: 60_000 }) }),
      }),
    ),
    pauses: fc.constant([]),
  })
  check('black hole', holes, 3_000, (schedule) => {
    const { log } = run(schedule)
    const [first] = log.endings
    expect(first!.ending).toMatchObject({ cause: 'heartbeat', code: 4701 })
    expect(first!.at).toBeLessThanOrEqual(log.deadAt! + 15_000 + 1e-6)
    expect(log.attempts[1]).toBe(first!.at)
  })
})

test('[P5] retries are spread by full jitter below the cap, and end with maxAttempts', () => {
  const refused = schedules({
    faults: fc.constant([
      { afterMs: 0, fault: { kind: 'refuse', forMs: END_MS } },
      { afterMs: 1, fault: { kind: 'cut', code: 1006 } },
    ] as const),
    pauses: fc.constant([]),
    maxAttempts: fc.integer({ min: 0, max: 20 }),
  })
  check('refused', refused, 2_000, (schedule) => {
    const { log, connection } = run(schedule)
    const waits = log.endings.filter(({ state }) => state === 'waiting')
    waits.forEach(({ at, retryAt }, index) => {
      const cap = Math.min(30_000, 1_000 * 2 ** index)
      expect(retryAt - at).toBeCloseTo(schedule.random[index % schedule.random.length]! * cap, 6)
    })
    if (waits.length === schedule.maxAttempts) expect(connection.state).toBe('closed')
    else expect(waits.length).toBeLessThan(schedule.maxAttempts)
  })
})

test('[P5] wake-ups cannot make attempts come faster than one a second', () => {
  const flapping = schedules({
    faults: fc
      .array(fc.integer({ min: 1, max: 300 }), { minLength: 20, maxLength: 60 })
      .map((gaps) => [
        { afterMs: 0, fault: { kind: 'refuse' as const, forMs: END_MS } },
        { afterMs: 1, fault: { kind: 'cut' as const, code: 1006 } },
        ...gaps.map((afterMs) => ({ afterMs, fault: { kind: 'wake' as const } })),
      ]),
    pauses: fc.constant([]),
    random: fc.constant([0.999]),
  })
  check('flapping', flapping, 1_000, (schedule) => {
    const { attempts } = run(schedule).log
    for (let i = 2; i < attempts.length; i++) expect(attempts[i]! - attempts[i - 1]!).toBeGreaterThanOrEqual(999)
  })
})
