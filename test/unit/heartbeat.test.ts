import { expect, test } from 'vitest'
import { Heartbeat } from '../../src/core/heartbeat.ts'
import { Latency } from '../../src/core/latency.ts'
import { Patience } from '../../src/core/patience.ts'

const timing = { intervalMs: 10_000, timeoutMs: 5_000, listenOnly: false }

/** Ticks at every deadline until there is an action. */
function next(heartbeat: Heartbeat): { at: number; action: boolean } {
  for (;;) {
    const at = heartbeat.deadline
    const action = heartbeat.tick(at, 0, 0)
    if (action !== undefined) return { at, action }
  }
}

test('probes after intervalMs and declares death timeoutMs later', () => {
  const heartbeat = new Heartbeat(timing, 0)
  expect(next(heartbeat)).toEqual({ at: 10_000, action: true })
  expect(next(heartbeat)).toEqual({ at: 15_000, action: false })
})

test('any frame after the probe is life', () => {
  const heartbeat = new Heartbeat(timing, 0)
  next(heartbeat)
  heartbeat.received(14_999, false)
  expect(next(heartbeat)).toEqual({ at: 20_000, action: true })
})

test('a tick before the deadline changes nothing', () => {
  const heartbeat = new Heartbeat(timing, 0)
  expect(heartbeat.tick(9_999, 0, 0)).toBeUndefined()
  expect(heartbeat.deadline).toBe(10_000)
})

test('a probe after a wake-up leaves two seconds, more only where the path is slower', () => {
  const heartbeat = new Heartbeat(timing, 0)
  expect(heartbeat.wake(3_000)).toBe(true)
  expect(next(heartbeat)).toEqual({ at: 5_000, action: false })
  const slow = new Heartbeat(timing, 0)
  slow.latency.sample(1_000)
  slow.wake(3_000)
  expect(next(slow)).toEqual({ at: 7_000, action: false })
})

test('a second wake-up before an answer does not move the verdict', () => {
  const heartbeat = new Heartbeat(timing, 0)
  heartbeat.wake(3_000)
  expect(heartbeat.wake(4_900)).toBe(false)
  expect(next(heartbeat)).toEqual({ at: 5_000, action: false })
})

test('a deadline that is met hours late leads to a probe, not to a verdict', () => {
  const heartbeat = new Heartbeat(timing, 0)
  next(heartbeat)
  expect(heartbeat.tick(10_800_000, 0, 0)).toBe(true)
  expect(next(heartbeat)).toEqual({ at: 10_802_000, action: false })
})

test('only a reply gives latency, and only when it is clear which probe it answers', () => {
  const heartbeat = new Heartbeat(timing, 0)
  next(heartbeat)
  heartbeat.received(10_020, false)
  expect(heartbeat.latency.smoothedMs).toBeUndefined()
  heartbeat.received(10_030, true)
  expect(heartbeat.latency.smoothedMs).toBe(30)
  // Two probes are unanswered: the next reply may belong to either.
  next(heartbeat)
  heartbeat.wake(20_001)
  heartbeat.received(20_500, true)
  const { at } = next(heartbeat)
  heartbeat.received(at + 1, true)
  heartbeat.received(at + 2, true)
  expect(heartbeat.latency.smoothedMs).toBe(30)
  const again = next(heartbeat)
  heartbeat.received(again.at + 110, true)
  expect(heartbeat.latency.smoothedMs).toBe(40)
})

test('a reply without a probe gives no latency', () => {
  const heartbeat = new Heartbeat(timing, 0)
  heartbeat.received(5, true)
  expect(heartbeat.latency.smoothedMs).toBeUndefined()
})

test('latency follows an eighth of the way with each sample', () => {
  const latency = new Latency()
  latency.sample(80)
  latency.sample(160)
  expect(latency.smoothedMs).toBe(90)
})

test('patience takes its three steps exactly within the window', () => {
  const patience = new Patience()
  patience.start(0, 1_000)
  expect([patience.deadline, patience.check(499), patience.check(500)]).toEqual([500, 'waiting', 'waiting'])
  expect([patience.deadline, patience.check(980)]).toEqual([980, 'waiting'])
  expect([patience.deadline, patience.check(1_000)]).toEqual([1_000, 'over'])
})

test('patience begins again after a late step, with twice the window from the second time on', () => {
  const patience = new Patience()
  patience.start(0, 1_000)
  expect(patience.check(751)).toBe('late')
  expect(patience.deadline).toBe(1_251)
  expect(patience.check(1_251 + 251)).toBe('late')
  expect(patience.deadline).toBe(1_502 + 1_000)
  patience.reset()
  patience.start(2_000, 1_000)
  expect(patience.deadline).toBe(2_500)
})

test('patience never waits for more than an hour', () => {
  const patience = new Patience()
  patience.start(0, 5_000)
  for (let i = 0; i < 100; i++) patience.check(patience.deadline * 2 + 1e9)
  const at = patience.deadline
  expect(at).toBeLessThan(Infinity)
  patience.check(at)
  expect(patience.deadline - at).toBeLessThanOrEqual(1_800_000)
})
