import { describe, expect, it } from 'vitest'
import {
  randomFaults,
  randomFaultsDefaults,
  seededRandom,
  type RandomFaultsOptions,
  type ScheduledFault,
} from '../../src/testing/index.ts'

const optionError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(message) })
const lasts = ({ fault }: ScheduledFault) => fault.kind !== 'reset' && fault.kind !== 'end' && fault.kind !== 'heal'
const seeds = Array.from({ length: 200 }, (_, seed) => seed)

describe('randomFaults', () => {
  it('gives the same schedule for the same seed and options, and others for other seeds', () => {
    const options = { seed: 42, durationMs: 60_000 }
    expect(randomFaults(options)).toEqual(randomFaults(options))
    const schedules = new Set(seeds.map((seed) => JSON.stringify(randomFaults({ ...options, seed }))))
    expect(schedules.size).toBe(seeds.length)
  })

  it('gives this schedule for seed 7, in every engine and version', () => {
    expect(randomFaults({ seed: 7, durationMs: 12_000 })).toEqual([
      { atMs: 47, fault: { kind: 'reset' } },
      { atMs: 3955, fault: { kind: 'delay', ms: 522, jitterMs: 211 } },
      { atMs: 6287, fault: { kind: 'heal' } },
      { atMs: 7247, fault: { kind: 'stall', direction: 'serverToClient' } },
      { atMs: 8537, fault: { kind: 'heal' } },
      { atMs: 9161, fault: { kind: 'delay', ms: 519, jitterMs: 102 } },
      { atMs: 11001, fault: { kind: 'heal' } },
    ])
  })

  it('gives plain data that survives JSON', () => {
    const schedule = randomFaults({ seed: 1, durationMs: 120_000 })
    expect(JSON.parse(JSON.stringify(schedule))).toStrictEqual(schedule)
  })

  it('is in order, within the duration, one fault at a time, each healed in time, and ends healed', () => {
    const maxFaultMs = 7.5
    for (const seed of seeds) {
      const durationMs = 1.5 + seed * 17
      const schedule = randomFaults({ seed, durationMs, meanGapMs: 40, maxFaultMs })
      let healBy = Infinity
      let beforeMs = 0
      for (const entry of schedule) {
        expect(entry.atMs, `seed ${seed}`).toBeGreaterThanOrEqual(beforeMs)
        expect(entry.atMs, `seed ${seed}`).toBeLessThanOrEqual(durationMs)
        expect(Number.isInteger(entry.atMs)).toBe(true)
        if (entry.fault.kind === 'heal') {
          expect(entry.atMs, `seed ${seed}`).toBeLessThanOrEqual(healBy)
          healBy = Infinity
        } else {
          expect(healBy, `seed ${seed}`).toBe(Infinity)
          if (lasts(entry)) healBy = entry.atMs + maxFaultMs
        }
        beforeMs = entry.atMs
      }
      expect(schedule.at(-1)!.fault.kind, `seed ${seed}`).toBe('heal')
    }
  })

  it('draws all kinds and directions by default', () => {
    const seen = new Set<string>()
    for (const { fault } of randomFaults({ seed: 3, durationMs: 1_000_000 })) {
      seen.add(fault.kind + ('direction' in fault ? ` ${fault.direction}` : ''))
    }
    const directions = ['both', 'clientToServer', 'serverToClient']
    const expected = randomFaultsDefaults.kinds.flatMap((kind) =>
      kind === 'blackHole' || kind === 'stall' ? directions.map((direction) => `${kind} ${direction}`) : [kind],
    )
    expect([...seen].sort()).toEqual([...expected, 'heal'].sort())
  })

  it('draws only the kinds that it is given', () => {
    const kinds = (options: Partial<RandomFaultsOptions>) =>
      new Set(randomFaults({ seed: 5, durationMs: 500_000, ...options }).map(({ fault }) => fault.kind))
    expect(kinds({ kinds: ['stall'] })).toEqual(new Set(['stall', 'heal']))
    expect(kinds({ kinds: ['reset', 'end'] })).toEqual(new Set(['reset', 'end', 'heal']))
    expect(kinds({ kinds: [] })).toEqual(new Set(['heal']))
  })

  it('cuts the connections of a server that it takes down', () => {
    const schedule = randomFaults({ seed: 5, durationMs: 100_000, kinds: ['refuse'] })
    const refusals = schedule.flatMap(({ fault }, index) => (fault.kind === 'refuse' ? [index] : []))
    expect(refusals.length).toBeGreaterThan(5)
    for (const index of refusals) {
      expect(schedule[index - 1]).toEqual({ atMs: schedule[index]!.atMs, fault: { kind: 'reset' } })
    }
  })

  it('leaves the mean gap between faults that it is given', () => {
    const schedule = randomFaults({ seed: 11, durationMs: 2_000_000, kinds: ['reset'], meanGapMs: 500 })
    expect(schedule.length).toBeGreaterThan(3_800)
    expect(schedule.length).toBeLessThan(4_200)
  })

  it('refuses options out of their ranges', () => {
    const good = { seed: 1, durationMs: 1_000 }
    const cases: [keyof RandomFaultsOptions, unknown, RegExp][] = [
      ['seed', -1, /^Expected `seed` to be a number from 0 to 9007199254740991, got -1\.$/],
      ['seed', undefined, /`seed`/],
      ['durationMs', 0, /^Expected `durationMs` to be a number from 1 to 2147483647, got 0\.$/],
      ['meanGapMs', 0, /`meanGapMs`/],
      ['maxFaultMs', NaN, /`maxFaultMs`/],
      ['kinds', ['heal'], /^Expected `kinds` to be one of reset, end, blackHole, stall, delay, refuse, got heal\.$/],
    ]
    for (const [name, value, message] of cases) {
      expect(() => randomFaults({ ...good, [name]: value })).toThrow(optionError(message))
    }
  })
})

describe('seededRandom', () => {
  it('gives numbers from 0 up to 1, evenly, and the same ones for the same seed', () => {
    const one = seededRandom(123)
    const other = seededRandom(123)
    const tenths = Array.from({ length: 10 }, () => 0)
    for (let index = 0; index < 10_000; index++) {
      const value = one()
      expect(value).toBe(other())
      tenths[Math.floor(value * 10)]!++
    }
    expect(tenths.length).toBe(10)
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150)
  })

  it('tells seeds apart that differ only above 32 bits', () => {
    expect(seededRandom(1)()).not.toBe(seededRandom(1 + 2 ** 32)())
    expect(seededRandom(Number.MAX_SAFE_INTEGER)()).not.toBe(seededRandom(0)())
  })
})
