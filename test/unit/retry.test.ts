import { expect, test } from 'vitest'
import { isRetryable, Retry, type RetryQuestions } from '../../src/core/retry.ts'
import type { EndCause, Ending } from '../../src/core/link.ts'
import { CloseCode } from '../../src/protocol/close-codes.ts'

const ending = (code: number, cause: EndCause = 'closed'): Ending => ({ code, cause, reason: '', wasClean: false })
const retry = (questions: Partial<RetryQuestions> = {}, maxAttempts = Infinity) =>
  new Retry(
    { minDelayMs: 1_000, maxDelayMs: 30_000, maxAttempts, stableAfterMs: 5_000 },
    { random: () => 0.5, isOffline: () => false, shouldReconnect: () => true, ...questions },
  )

test('jitter is applied after the cap, so that capped delays differ too (field notes: jitter before the cap, no jitter at all)', () => {
  let random = 0
  const policy = retry({ random: () => (random += 0.05) })
  const delays = Array.from({ length: 12 }, () => policy.next(ending(1006), 0, false)!)
  expect(delays.slice(-4)).toEqual([0.45, 0.5, 0.55, 0.6].map((ratio) => expect.closeTo(ratio * 30_000)))
})

test('the count begins anew after stableAfterMs of uptime, not before', () => {
  const policy = retry()
  policy.next(ending(1006), 0, false)
  policy.next(ending(1006), 4_999, false)
  expect(policy.attempts).toBe(2)
  policy.next(ending(1006), 5_000, false)
  expect(policy.attempts).toBe(1)
})

test('only a client that was cut off alone tries at once, and only the first time', () => {
  const policy = retry()
  expect(policy.next(ending(CloseCode.heartbeatTimeout, 'heartbeat'), 10_000, true)).toBe(0)
  expect(policy.next(ending(CloseCode.heartbeatTimeout, 'heartbeat'), 0, true)).toBe(1_000)
  expect(retry().next(ending(1006), 10_000, false)).toBe(500)
})

test('offline makes the delay the longest and forbids nothing', () => {
  expect(retry({ isOffline: () => true }).next(ending(1006), 0, false)).toBe(30_000)
})

test('gives up after maxAttempts, and when the answer is no', () => {
  const policy = retry({}, 2)
  expect([1, 2, 3].map(() => policy.next(ending(1006), 0, false))).toEqual([500, 1_000, undefined])
  expect(retry({ shouldReconnect: () => false }).next(ending(1006), 0, false)).toBeUndefined()
})

test('a hidden page is no failed attempt', () => {
  const policy = retry({}, 0)
  expect(policy.next(ending(CloseCode.pageHidden, 'pagehide'), 0, true)).toBe(0)
  expect(policy.attempts).toBe(0)
})

test('close codes say whether there is hope', () => {
  const hopeless = [1000, 1003, 1007, 1008, 1010, 4900, 4999]
  const hopeful = [
    1001,
    1002,
    1005,
    1006,
    1009,
    1011,
    1012,
    1013,
    1014,
    1015,
    3000,
    4000,
    4899,
    ...Object.values(CloseCode).filter((code) => code < 4900),
  ]
  expect(hopeless.filter((code) => isRetryable({ code }))).toEqual([])
  expect(hopeful.filter((code) => !isRetryable({ code }))).toEqual([])
})
