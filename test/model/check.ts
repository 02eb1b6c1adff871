import fc from 'fast-check'

const runsFactor = Number(process.env['HEARTLINE_RUNS'] ?? 1)

/**
 * Runs a property under a seed that is printed, so that a failure can be repeated:
 * `HEARTLINE_SEED=… npm test -- test/model`. `HEARTLINE_RUNS=100` makes it run 100 times as many schedules.
 */
export function check<T>(name: string, arbitrary: fc.Arbitrary<T>, runs: number, property: (value: T) => void): void {
  const seed = Number(process.env['HEARTLINE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const numRuns = Math.ceil(runs * runsFactor)
  console.info(`${name}: ${numRuns} schedules, HEARTLINE_SEED=${seed}`)
  fc.assert(
    fc.property(arbitrary, (value) => {
      property(value)
    }),
    { seed, numRuns },
  )
}
