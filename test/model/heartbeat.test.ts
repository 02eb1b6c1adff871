import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Heartbeat, type HeartbeatTiming } from '../../src/core/heartbeat.ts'
import { check } from './check.ts'
import { World, type Pause } from './world.ts'

interface Schedule {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly roundTripMs: number
  /** Frames that the peer sends by itself, as gaps. */
  readonly pushGapsMs: readonly number[]
  readonly wakeAtMs: readonly number[]
  readonly pauses: readonly Pause[]
}

/** What the watched path does. */
interface Path {
  /** From then on nothing comes through any more. */
  readonly deadAtMs?: number
  readonly timerLatenessMs?: number
  /** What was sent so far, and how much of it is queued. */
  readonly traffic?: (now: number) => readonly [sentBytes: number, queuedBytes: number]
  readonly untilMs: number
  readonly listenOnly?: boolean
  /** The round trip was measured before, on the same path. */
  readonly isMeasured?: boolean
}

/** Runs a heartbeat over a path. @returns when it declared death and what it had received last */
function watch(schedule: Schedule, path: Path) {
  const { intervalMs, timeoutMs, roundTripMs } = schedule
  const timing: HeartbeatTiming = { intervalMs, timeoutMs, listenOnly: path.listenOnly ?? false }
  const world = new World(schedule.pauses)
  world.timerLatenessMs = path.timerLatenessMs ?? 0
  const heartbeat = new Heartbeat(timing, 0)
  if (path.isMeasured) heartbeat.latency.sample(roundTripMs)
  const result = { deadAt: Infinity, lastReceivedAt: 0, probes: [] as number[] }
  const isOver = () => result.deadAt < Infinity
  const deadAtMs = path.deadAtMs ?? Infinity

  const arm = () => world.setTimer(isOver() ? Infinity : heartbeat.deadline, tick)
  const probe = () => {
    result.probes.push(world.now)
    const arrivesAt = world.now + roundTripMs
    if (arrivesAt < deadAtMs) receiveAt(arrivesAt, true)
  }
  const receiveAt = (time: number, isReply: boolean) =>
    world.deliver(time, roundTripMs, () => {
      if (isOver()) return
      heartbeat.received(world.now, isReply)
      result.lastReceivedAt = world.now
      arm()
    })
  const tick = () => {
    const action = heartbeat.tick(world.now, ...(path.traffic?.(world.now) ?? ([0, 0] as const)))
    if (action) probe()
    else if (action === false) result.deadAt = world.now
    arm()
  }

  let at = 0
  for (const gap of schedule.pushGapsMs) {
    at += gap
    if (at < deadAtMs) receiveAt(at, false)
  }
  for (const wakeAt of schedule.wakeAtMs) {
    world.deliver(wakeAt, 0, () => {
      if (!isOver() && heartbeat.wake(world.now)) probe()
      arm()
    })
  }
  arm()
  world.run(path.untilMs)
  return result
}

const pauses = (kind: Pause['kind'], minGapMs: number) =>
  fc.array(
    fc.record({
      afterMs: fc.integer({ min: minGapMs, max: minGapMs + 30_000 }),
      forMs: fc.integer({ min: 1, max: 90_000 }),
      kind: fc.constant(kind),
    }),
    { maxLength: 6 },
  )

const schedules = (pauseSchedules: fc.Arbitrary<Pause[]>): fc.Arbitrary<Schedule> =>
  fc
    .record({
      intervalMs: fc.integer({ min: 100, max: 30_000 }),
      timeoutMs: fc.integer({ min: 400, max: 15_000 }),
      roundTripRatio: fc.double({ min: 0.001, max: 0.2, noNaN: true }),
      pushGapsMs: fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 10 }),
      wakeAtMs: fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 6 }),
      pauses: pauseSchedules,
    })
    .map(({ roundTripRatio, ...rest }) => ({ ...rest, roundTripMs: Math.min(rest.timeoutMs, 2_000) * roundTripRatio }))

const noPauses = fc.constant<Pause[]>([])
const deaths = fc.integer({ min: 0, max: 120_000 })

test('[P1] a dead path is detected within intervalMs + timeoutMs of the last frame', () => {
  check('dead path', fc.tuple(schedules(noPauses), deaths), 3_000, ([schedule, deadAtMs]) => {
    const { deadAt, lastReceivedAt } = watch({ ...schedule, wakeAtMs: [] }, { deadAtMs, untilMs: 300_000 })
    expect(deadAt).toBeLessThanOrEqual(lastReceivedAt + schedule.intervalMs + schedule.timeoutMs + 1e-6)
  })
})

test('[P1] wake-ups move the verdict by one short probe at most', () => {
  check('dead path, wake-ups', fc.tuple(schedules(noPauses), deaths), 3_000, ([schedule, deadAtMs]) => {
    const { deadAt, lastReceivedAt } = watch(schedule, { deadAtMs, untilMs: 300_000 })
    const wakeWindowMs = Math.min(schedule.timeoutMs, 2_000)
    expect(deadAt).toBeLessThanOrEqual(lastReceivedAt + schedule.intervalMs + schedule.timeoutMs + wakeWindowMs + 1e-6)
  })
})

test('[P1] a dead path is detected after any pauses, and within the bound of the last one', () => {
  const paused = fc.oneof(pauses('blocked', 0), pauses('asleep', 0))
  check('dead path, pauses', fc.tuple(schedules(paused), deaths), 3_000, ([schedule, deadAtMs]) => {
    const { deadAt } = watch(schedule, { deadAtMs, untilMs: 10_000_000 })
    const endsAt = schedule.pauses.reduce((at, { afterMs, forMs }) => at + afterMs + forMs, 0)
    const { intervalMs, timeoutMs } = schedule
    // Each pause may double the short window once.
    const windowMs = timeoutMs + Math.min(timeoutMs, 2_000) * 2 ** schedule.pauses.length
    expect(deadAt).toBeLessThanOrEqual(Math.max(deadAtMs, endsAt) + intervalMs + timeoutMs + windowMs + 1e-6)
  })
})

test('[P1] with listenOnly, silence of silenceMs is death', () => {
  check('listen only', fc.tuple(schedules(noPauses), deaths), 2_000, ([schedule, deadAtMs]) => {
    const { deadAt, lastReceivedAt, probes } = watch(
      { ...schedule, wakeAtMs: [] },
      { deadAtMs, untilMs: 300_000, listenOnly: true },
    )
    expect(deadAt).toBeCloseTo(lastReceivedAt + schedule.intervalMs, 3)
    expect(probes).toEqual([])
  })
})

test('[INV-LIVE] a live peer is never declared dead by timers that a blocked event loop made late', () => {
  check('live, blocked', schedules(pauses('blocked', 0)), 5_000, (schedule) => {
    expect(watch(schedule, { untilMs: 400_000 }).deadAt).toBe(Infinity)
  })
})

test('[INV-LIVE] an answer that reached the host in time counts, however late the process is', () => {
  const slow = fc.tuple(schedules(pauses('blocked', 0)), fc.double({ min: 0.2, max: 0.95, noNaN: true }))
  check('live, slow, blocked', slow, 5_000, ([schedule, ratio]) => {
    const slowSchedule = { ...schedule, wakeAtMs: [], roundTripMs: schedule.timeoutMs * ratio - 20 }
    expect(watch(slowSchedule, { isMeasured: true, untilMs: 400_000 }).deadAt).toBe(Infinity)
  })
})

test('[INV-LIVE] a live peer is never declared dead by sleep, freezes or clock jumps', () => {
  check('live, asleep', schedules(pauses('asleep', 2_000)), 5_000, (schedule) => {
    expect(watch(schedule, { untilMs: 400_000 }).deadAt).toBe(Infinity)
  })
})

test('[INV-LIVE] a live peer is never declared dead when all timers are throttled, and a dead one is found all the same', () => {
  const throttled = fc.tuple(schedules(noPauses), fc.integer({ min: 0, max: 60_000 }))
  check('throttled', throttled, 2_000, ([schedule, timerLatenessMs]) => {
    expect(watch(schedule, { timerLatenessMs, untilMs: 1_000_000 }).deadAt).toBe(Infinity)
    const { deadAt } = watch(
      { ...schedule, pushGapsMs: [], wakeAtMs: [] },
      { timerLatenessMs, deadAtMs: 0, untilMs: 10_000_000 },
    )
    const { intervalMs, timeoutMs } = schedule
    expect(deadAt).toBeLessThanOrEqual(intervalMs + timeoutMs + 30 * (timerLatenessMs + 1) + 1e-6)
  })
})

test('[INV-LIVE] a peer that takes our bytes slowly is not dead, but not for ever', () => {
  const drains = fc.tuple(schedules(noPauses), fc.integer({ min: 1, max: 11 }))
  check('slow drain', drains, 2_000, ([schedule, timeouts]) => {
    const { intervalMs, timeoutMs } = schedule
    const quiet = { ...schedule, pushGapsMs: [], wakeAtMs: [], roundTripMs: 1 }
    const drainsUntil = intervalMs + timeoutMs * timeouts
    // Whatever else is sent meanwhile: what counts is what has left.
    const traffic = (now: number) => [3 * now + 1, 3 * now + 1 - Math.min(now, drainsUntil)] as const
    // Nothing is heard while the bytes drain; the verdict comes within two timeouts after they no longer do.
    const { deadAt } = watch(quiet, { deadAtMs: 0, traffic, untilMs: 10_000_000 })
    expect(deadAt).toBeGreaterThanOrEqual(drainsUntil - 1e-6)
    expect(deadAt).toBeLessThanOrEqual(drainsUntil + 2 * timeoutMs + 1e-6)
    const forEver = watch(quiet, { deadAtMs: 0, traffic: (now) => [now + 1, 1], untilMs: 10_000_000 })
    expect(forEver.deadAt).toBeLessThanOrEqual(intervalMs + 13 * timeoutMs)
  })
})

test('[P1] what we send into a dead path while its kernel takes it does not put the verdict off', () => {
  check('swallowed', fc.tuple(schedules(noPauses), deaths), 2_000, ([schedule, deadAtMs]) => {
    const { deadAt, lastReceivedAt } = watch(
      { ...schedule, wakeAtMs: [] },
      { deadAtMs, traffic: (now) => [now, 0], untilMs: 300_000 },
    )
    expect(deadAt).toBeLessThanOrEqual(lastReceivedAt + schedule.intervalMs + schedule.timeoutMs + 1e-6)
  })
})

test('the next probe goes out intervalMs after the last one, whatever else is received meanwhile', () => {
  check('probes', schedules(noPauses), 1_000, (schedule) => {
    const { intervalMs, roundTripMs } = schedule
    const { probes } = watch({ ...schedule, wakeAtMs: [] }, { untilMs: 100_000 })
    let before = 0
    for (const at of probes) {
      expect(at - before).toBeGreaterThanOrEqual(intervalMs - 1e-6)
      // A probe without an answer yet is not followed by a second one.
      expect(at - before).toBeLessThanOrEqual(intervalMs + Math.max(0, roundTripMs - intervalMs) + 1e-6)
      before = at
    }
    expect(100_000 - before).toBeLessThanOrEqual(intervalMs + roundTripMs)
  })
})
