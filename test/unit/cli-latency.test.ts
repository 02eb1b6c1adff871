import { expect, test } from 'vitest'
import { LatencyFigures } from '../../src/cli/latency-figures.ts'
import { RoundTrips } from '../../src/cli/round-trips.ts'
import { seededRandom } from '../../src/testing/index.ts'

test('quantiles are right within half a percent, from microseconds to minutes', () => {
  const random = seededRandom(1)
  const figures = new LatencyFigures()
  const samples = Array.from({ length: 9_999 }, () => 0.001 * 10 ** (random() * 7.5))
  for (const sample of samples) figures.sample(sample)
  samples.sort((one, other) => one - other)
  expect(figures.minMs).toBe(samples[0])
  expect(figures.maxMs).toBe(samples.at(-1))
  for (const [share, index] of [
    [0.5, 4_999],
    [0.99, 9_899],
  ] as const)
    expect(Math.abs(figures.quantile(share) / samples[index]! - 1)).toBeLessThan(0.00505)
})

test('a single sample is every quantile, and none has none', () => {
  const figures = new LatencyFigures()
  expect(figures.quantile(0.5)).toBeNaN()
  figures.sample(0)
  for (const share of [0, 0.5, 0.99, 1]) expect(figures.quantile(share)).toBe(0)
})

test('an answer is timed only while one heartbeat is out', () => {
  const roundTrips = new RoundTrips()
  roundTrips.sent(0)
  expect(roundTrips.answered(7)).toBe(7)
  roundTrips.sent(10)
  roundTrips.sent(20)
  expect(roundTrips.answered(21)).toBeUndefined()
  expect(roundTrips.answered(22)).toBeUndefined()
  roundTrips.sent(30)
  expect(roundTrips.answered(38)).toBe(8)
})

test('what was sent on the connection before is not answered on this one', () => {
  const roundTrips = new RoundTrips()
  roundTrips.sent(0)
  roundTrips.reset()
  roundTrips.sent(10)
  expect(roundTrips.answered(12)).toBe(2)
})
