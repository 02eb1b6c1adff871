import { numberOption, numberOptions, type OptionRule } from '../core/option.ts'
import { choiceOption, MAX_TIMER_MS, type Direction, type Fault, type FaultKind, type ScheduledFault } from './fault.ts'

/** Options of {@link randomFaults}. */
export interface RandomFaultsOptions {
  /** Which schedule it is, 0 to 9007199254740991. The same seed and options give the same schedule everywhere. */
  seed: number
  /** Length of the schedule in milliseconds, 1 to 2147483647. Its last entry heals, at the latest then. */
  durationMs: number
  /** The faults to choose from. @default ['reset', 'end', 'blackHole', 'stall', 'delay', 'refuse'] */
  kinds?: readonly RandomFaultKind[]
  /** Mean time without a fault between two faults in milliseconds, 1 to 2147483647. @default 2000 */
  meanGapMs?: number
  /** The longest that a fault lasts in milliseconds, 1 to 2147483647. @default 5000 */
  maxFaultMs?: number
}

/** Every kind but `heal`, which follows by itself. */
export type RandomFaultKind = Exclude<FaultKind, 'heal'>

/** The defaults of {@link RandomFaultsOptions}. */
export const randomFaultsDefaults: {
  readonly kinds: readonly RandomFaultKind[]
  readonly meanGapMs: number
  readonly maxFaultMs: number
} = { kinds: ['reset', 'end', 'blackHole', 'stall', 'delay', 'refuse'], meanGapMs: 2_000, maxFaultMs: 5_000 }

const RULES = {
  seed: [NaN, 0, Number.MAX_SAFE_INTEGER],
  durationMs: [NaN, 1, MAX_TIMER_MS],
  kinds: null,
  meanGapMs: [randomFaultsDefaults.meanGapMs, 1, MAX_TIMER_MS],
  maxFaultMs: [randomFaultsDefaults.maxFaultMs, 1, MAX_TIMER_MS],
} satisfies Record<keyof RandomFaultsOptions, OptionRule>

const DIRECTIONS: readonly Direction[] = ['both', 'clientToServer', 'serverToClient']
/** Upper end of a random delay, and of the jitter on top. */
const MAX_DELAY_MS = 1_000

/**
 * Draws a schedule of faults, one at a time, each healed before the next one.
 *
 * A `refuse` comes with a `reset` at the same instant: a server that is down has also lost its connections.
 *
 * @throws HeartlineError `ERR_OPTION`
 */
export function randomFaults(options: RandomFaultsOptions): ScheduledFault[] {
  const { seed, meanGapMs, ...rest } = numberOptions('', options, RULES)
  const durationMs = Math.floor(rest.durationMs)
  const maxFaultMs = Math.floor(rest.maxFaultMs)
  const all = randomFaultsDefaults.kinds
  const kinds = (options.kinds ?? all).map((kind) => choiceOption('kinds', kind, all))
  const random = seededRandom(seed)
  const upTo = (max: number): number => 1 + Math.floor(random() * max)
  const schedule: ScheduledFault[] = []
  let atMs = 0
  // Uniform and not exponential gaps: logarithms differ between engines, and a seed must mean the same everywhere.
  while ((atMs += upTo(2 * meanGapMs)) < durationMs && kinds.length) {
    const fault = randomFault(kinds[upTo(kinds.length) - 1]!, random)
    if (fault.kind === 'refuse') schedule.push({ atMs, fault: { kind: 'reset' } })
    schedule.push({ atMs, fault })
    if (fault.kind === 'reset' || fault.kind === 'end') continue
    atMs = Math.min(durationMs, atMs + upTo(maxFaultMs))
    schedule.push({ atMs, fault: { kind: 'heal' } })
  }
  if (schedule.at(-1)?.fault.kind !== 'heal') schedule.push({ atMs: durationMs, fault: { kind: 'heal' } })
  return schedule
}

function randomFault(kind: RandomFaultKind, random: () => number): Fault {
  switch (kind) {
    case 'blackHole':
    case 'stall':
      return { kind, direction: DIRECTIONS[Math.floor(random() * DIRECTIONS.length)]! }
    case 'delay': {
      const ms = 1 + Math.floor(random() * MAX_DELAY_MS)
      return { kind, ms, jitterMs: Math.floor(random() * ms) }
    }
    default:
      return { kind }
  }
}

/**
 * Returns a function like `Math.random` that gives the same numbers for the same seed (mulberry32). Not for secrets.
 *
 * @param seed 0 to 9007199254740991, so that `Date.now()` can be one
 * @throws HeartlineError `ERR_OPTION`
 */
export function seededRandom(seed: number): () => number {
  numberOption('seed', seed, ...RULES.seed)
  let state = seed ^ Math.floor(seed / 2 ** 32)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
