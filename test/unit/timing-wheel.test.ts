import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TimingWheel, WheelEntry } from '../../src/core/timing-wheel.ts'

class Entry extends WheelEntry {
  readonly name: string
  constructor(name: string) {
    super()
    this.name = name
  }
}

/** Advances and returns the names of what was visited, in order. */
function visited(wheel: TimingWheel<Entry>, now: number): string[] {
  const names: string[] = []
  wheel.advance(now, (entry) => names.push(entry.name))
  return names
}

test('visits an entry at the first tick at or after its time, and only once', () => {
  const wheel = new TimingWheel<Entry>(50, 0)
  wheel.schedule(new Entry('a'), 120)
  expect(visited(wheel, 149)).toEqual([])
  expect(visited(wheel, 150)).toEqual(['a'])
  expect(visited(wheel, 1_000_000)).toEqual([])
  expect(wheel.size).toBe(0)
})

test('visits an entry that is due exactly at a tick at that tick', () => {
  const wheel = new TimingWheel<Entry>(50, 0)
  wheel.schedule(new Entry('a'), 100)
  expect(visited(wheel, 99)).toEqual([])
  expect(visited(wheel, 100)).toEqual(['a'])
})

test('visits in the order of ticks after a gap', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  for (const at of [300, 20, 110, 25, 5]) wheel.schedule(new Entry(String(at)), at)
  expect(visited(wheel, 5_000)).toEqual(['5', '20', '25', '110', '300'])
})

test('takes a time that is past as the next tick', () => {
  const wheel = new TimingWheel<Entry>(10, 1_000)
  wheel.schedule(new Entry('a'), 3)
  expect(visited(wheel, 1_009)).toEqual([])
  expect(visited(wheel, 1_010)).toEqual(['a'])
})

test('moves an entry that is scheduled again', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  const entry = new Entry('a')
  wheel.schedule(entry, 20)
  wheel.schedule(entry, 80)
  expect(wheel.size).toBe(1)
  expect(visited(wheel, 79)).toEqual([])
  expect(visited(wheel, 80)).toEqual(['a'])
})

test('does not visit a cancelled entry, and cancelling twice changes nothing', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  const [a, b] = [new Entry('a'), new Entry('b')]
  wheel.schedule(a, 20)
  wheel.schedule(b, 20)
  wheel.cancel(a)
  wheel.cancel(a)
  expect(wheel.size).toBe(1)
  expect(visited(wheel, 20)).toEqual(['b'])
})

test('keeps deadlines that lie many turns of the wheel ahead', () => {
  const wheel = new TimingWheel<Entry>(1, 0)
  const day = 86_400_000
  wheel.schedule(new Entry('far'), 24 * day)
  wheel.schedule(new Entry('near'), 600)
  expect(visited(wheel, 600)).toEqual(['near'])
  for (let now = 1_000; now < 5_000; now += 100) expect(visited(wheel, now)).toEqual([])
  expect(visited(wheel, 24 * day - 1)).toEqual([])
  expect(visited(wheel, 24 * day)).toEqual(['far'])
})

test('defers what a visit schedules to a later call', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  const entry = new Entry('a')
  wheel.schedule(entry, 10)
  let visits = 0
  wheel.advance(100, (due) => {
    visits++
    wheel.schedule(due, 0)
  })
  expect(visits).toBe(1)
  expect(visited(wheel, 110)).toEqual(['a'])
})

test('does not visit an entry that another visit of the same tick cancels', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  const [a, b, c] = [new Entry('a'), new Entry('b'), new Entry('c')]
  for (const entry of [a, b, c]) wheel.schedule(entry, 10)
  const names: string[] = []
  wheel.advance(10, (entry) => {
    names.push(entry.name)
    wheel.cancel(b)
  })
  expect(names).toEqual(['a', 'c'])
  expect(wheel.size).toBe(0)
})

test('visits the rest at the next call when a visit throws', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  for (const name of ['a', 'b', 'c']) wheel.schedule(new Entry(name), 10)
  expect(() =>
    wheel.advance(10, () => {
      throw new Error('visit')
    }),
  ).toThrow('visit')
  expect(visited(wheel, 10)).toEqual(['b', 'c'])
})

test('ignores time that runs backwards', () => {
  const wheel = new TimingWheel<Entry>(10, 0)
  expect(visited(wheel, 500)).toEqual([])
  wheel.schedule(new Entry('a'), 520)
  expect(visited(wheel, 100)).toEqual([])
  expect(visited(wheel, 519)).toEqual([])
  expect(visited(wheel, 520)).toEqual(['a'])
})

test('does in any sequence of calls what a plain list of deadlines does', () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('schedule' as const), id: fc.nat(19), value: fc.nat(30_000) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), id: fc.nat(19), value: fc.nat(0) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), id: fc.nat(0), value: fc.nat(9_000) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 7, 50), (steps, tickMs) => {
      let now = 0
      const wheel = new TimingWheel<Entry>(tickMs, now)
      const entries = Array.from({ length: 20 }, (_, id) => new Entry(String(id)))
      const expected = new Map<string, number>()
      for (const { kind, id, value } of steps) {
        if (kind === 'schedule') {
          const at = now + value - 1_000
          wheel.schedule(entries[id]!, at)
          expected.set(String(id), Math.max(Math.ceil(at / tickMs), Math.floor(now / tickMs) + 1))
        } else if (kind === 'cancel') {
          wheel.cancel(entries[id]!)
          expected.delete(String(id))
        } else {
          now += value
          const due = [...expected].filter(([, tick]) => tick <= Math.floor(now / tickMs)).map(([name]) => name)
          for (const name of due) expected.delete(name)
          expect(visited(wheel, now).sort()).toEqual(due.sort())
        }
        expect(wheel.size).toBe(expected.size)
      }
    }),
    { numRuns: 300 },
  )
})
