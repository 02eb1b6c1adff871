import { expect, test } from 'vitest'
import { Outbox } from '../../src/core/outbox.ts'

const unlimited = { maxMessages: Infinity, maxBytes: Infinity }

function flushed(outbox: Outbox<string>): string[] {
  const taken: string[] = []
  outbox.flush((data) => taken.push(data) > 0)
  return taken
}

test('hands over what it holds, once and in order', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.hold('a', 1)
  outbox.hold('b', 1)
  expect(flushed(outbox)).toEqual(['a', 'b'])
  expect(flushed(outbox)).toEqual([])
})

test('goes on from the message that was not taken', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.hold('a', 1)
  outbox.hold('b', 1)
  outbox.flush((data) => data === 'a')
  expect(flushed(outbox)).toEqual(['b'])
})

test('returns what was in doubt, and keeps what was held', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('sent', 4)
  outbox.hold('held', 4)
  expect(outbox.lost(false)).toEqual(['sent'])
  expect(outbox.bytes).toBe(4)
  expect(flushed(outbox)).toEqual(['held'])
})

test('holds what was in doubt once more, before the rest, when it is to be sent again', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('sent', 4)
  outbox.hold('held', 4)
  expect(outbox.lost(true)).toEqual([])
  expect(flushed(outbox)).toEqual(['sent', 'held'])
})

test('a reply proves the arrival of what went before its probe, and of nothing else', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('a', 1)
  outbox.probed()
  outbox.track('b', 1)
  outbox.probed()
  outbox.track('c', 1)
  outbox.replied()
  expect(outbox.bytes).toBe(2)
  outbox.replied()
  expect(outbox.lost(false)).toEqual(['c'])
})

test('a reply without a probe proves nothing', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('a', 1)
  outbox.replied()
  expect(outbox.lost(false)).toEqual(['a'])
})

test('probes of a lost transport are forgotten', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('a', 1)
  outbox.probed()
  outbox.lost(true)
  flushed(outbox)
  outbox.replied()
  expect(outbox.lost(false)).toEqual(['a'])
})

test('counts what it cannot keep track of', () => {
  const outbox = new Outbox<string>({ maxMessages: 2, maxBytes: 10 })
  for (const text of ['a', 'b', 'c']) outbox.track(text, 1)
  expect(outbox.untracked).toBe(1)
  outbox.track('too long to be kept', 11)
  expect(outbox.untracked).toBe(2)
  expect(outbox.bytes).toBe(2)
  outbox.arrived()
  expect(outbox.untracked).toBe(0)
})

test('says when there is no room, by messages and by bytes', () => {
  const outbox = new Outbox<string>({ maxMessages: 2, maxBytes: 10 })
  expect(outbox.hasRoom(11)).toBe(false)
  outbox.hold('a', 9)
  expect(outbox.hasRoom(2)).toBe(false)
  expect(outbox.hasRoom(1)).toBe(true)
  outbox.hold('b', 1)
  expect(outbox.hasRoom(0)).toBe(false)
  expect(outbox.dropOldest()).toBe('a')
  expect(outbox.bytes).toBe(1)
  expect(outbox.clear()).toEqual({ inDoubt: [], unsent: ['b'] })
})

test('what it lost track of is forgotten when a later probe is answered, and not before', () => {
  const outbox = new Outbox<string>({ maxMessages: 2, maxBytes: 10 })
  outbox.probed()
  for (const text of ['a', 'b', 'c']) outbox.track(text, 1)
  outbox.replied()
  expect(outbox.untracked).toBe(1)
  outbox.probed()
  outbox.track('d', 1)
  outbox.replied()
  expect(outbox.untracked).toBe(1)
  outbox.probed()
  outbox.replied()
  expect(outbox.untracked).toBe(0)
})

test('a message too large to be kept takes no room from others', () => {
  const outbox = new Outbox<string>({ maxMessages: 2, maxBytes: 10 })
  outbox.track('a', 1)
  expect(outbox.makeRoom(11)).toBe(false)
  expect(outbox.lost(false)).toEqual(['a'])
})

test('what was sent and is to be sent once more may have arrived all the same', () => {
  const outbox = new Outbox<string>(unlimited)
  outbox.track('sent', 4)
  outbox.lost(true)
  outbox.hold('held', 4)
  expect(outbox.clear()).toEqual({ inDoubt: ['sent'], unsent: ['held'] })
})
