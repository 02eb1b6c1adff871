import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessageLog } from '../../src/core/message-log.ts'
import { check } from '../model/check.ts'

const logOf = (...items: string[]): MessageLog<string> => {
  const log = new MessageLog<string>((item) => item.length)
  for (const item of items) log.append(item)
  return log
}

test('offsets begin at 1 and rise by 1', () => {
  const log = logOf()
  expect([log.first, log.last, log.size]).toEqual([1, 0, 0])
  expect([log.append('a'), log.append('b')]).toEqual([1, 2])
  expect([log.first, log.last, log.size, log.at(1), log.at(2)]).toEqual([1, 2, 2, 'a', 'b'])
})

test('offsets are never used again, however much has been let go', () => {
  const log = logOf('a', 'b')
  log.trimTo(2)
  expect([log.first, log.last, log.size]).toEqual([3, 2, 0])
  expect(log.append('c')).toBe(3)
  expect(log.at(3)).toBe('c')
})

test('counts the bytes of what it keeps', () => {
  const log = logOf('aa', 'bbb', '')
  expect(log.bytes).toBe(5)
  log.trimTo(1)
  expect(log.bytes).toBe(3)
  log.trimTo(3)
  expect(log.bytes).toBe(0)
})

test('lets go of what is before an offset, and says how much that was', () => {
  const log = logOf('a', 'b', 'c')
  expect([log.trimTo(0), log.trimTo(2), log.trimTo(2), log.trimTo(1), log.trimTo(99)]).toEqual([0, 2, 0, 0, 1])
  expect([log.first, log.last]).toEqual([4, 3])
})

test('gives what comes after an offset, from the oldest that is kept', () => {
  const log = logOf('a', 'b', 'c')
  expect([...log.after(0)]).toEqual(['a', 'b', 'c'])
  log.trimTo(1)
  expect([...log.after(0)]).toEqual(['b', 'c'])
  expect([...log.after(2)]).toEqual(['c'])
  expect([...log.after(3)]).toEqual([])
})

test('gives what is appended while it is read', () => {
  const log = logOf('a')
  const read: string[] = []
  for (const item of log.after(0)) if (read.push(item) < 3) log.append('more')
  expect(read).toEqual(['a', 'more', 'more'])
})

test('does what an array does that is never cut', () => {
  const step = fc.oneof(fc.record({ append: fc.string({ maxLength: 3 }) }), fc.record({ trimTo: fc.nat({ max: 40 }) }))
  check('logs', fc.array(step, { maxLength: 60 }), 2_000, (steps) => {
    const log = logOf()
    const all: string[] = []
    let gone = 0
    for (const step of steps) {
      if ('append' in step) expect(log.append(step.append)).toBe(all.push(step.append))
      else {
        const next = Math.max(gone, Math.min(step.trimTo, all.length))
        expect(log.trimTo(step.trimTo)).toBe(next - gone)
        gone = next
      }
      const kept = all.slice(gone)
      expect([log.first, log.last, log.size]).toEqual([gone + 1, all.length, kept.length])
      expect([...log.after(0)]).toEqual(kept)
      expect(log.bytes).toBe(kept.join('').length)
    }
  })
})
