import fc from 'fast-check'

const runsFactor = Number(process.env['HEARTLINE_RUNS'] ?? 1)

/** The parameters of a run; its seed is printed. */
function parameters(name: string, runs: number): fc.Parameters<[any]> {
  const seed = Number(process.env['HEARTLINE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const numRuns = Math.ceil(runs * runsFactor)
  console.info(`${name}: ${numRuns} schedules, HEARTLINE_SEED=${seed}`)
  // Shrinking takes many runs: it has its own command, so that a failure never looks like a test that hangs.
  return { seed, numRuns, endOnFailure: !process.env['HEARTLINE_SHRINK'] }
}

/**
 * Runs a property under a seed that is printed, so that a failure can be repeated:
 * `HEARTLINE_SEED=… npx vitest run test/model`. `HEARTLINE_SHRINK=1` looks for a smaller schedule that fails too;
 * `HEARTLINE_RUNS=100` makes it run 100 times as many schedules.
 */
export function check<T>(name: string, arbitrary: fc.Arbitrary<T>, runs: number, property: (value: T) => void): void {
  fc.assert(
    fc.property(arbitrary, (value) => {
      property(value)
    }),
    parameters(name, runs),
  )
}

/** As {@link check}, for properties that await. */
export async function checkAsync<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  property: (value: T) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitrary, (value) => property(value)),
    parameters(name, runs),
  )
}
