import { beforeEach, expect, test } from 'vitest'
import type { ClientSubscription } from '../../src/core/client-subscription.ts'
import { ClientTopics } from '../../src/core/client-topics.ts'
import { TopicNames } from '../../src/core/topic-names.ts'
import { CloseCode } from '../../src/protocol/close-codes.ts'
import { encodeHelloEntry } from '../../src/protocol/encode.ts'
import type { Position } from '../../src/protocol/frame.ts'
import { MAX_HELLO_ENTRY } from '../../src/protocol/limits.ts'
import { closeCodeOf } from './vectors.ts'

const WINDOW = { messages: 8, bytes: 1_000 }

/** What went out. */
let sent: string[]
let topics: ClientTopics<null>
let one: ClientSubscription<null>

const subbed = (ref: number, id: number, { generation, offset }: Position, last = offset): void =>
  topics.frame(0, { type: 'subbed', body: { ref, topic: 'one', id, generation, offset, last } })
const data = (id: number, first: number, ...payloads: string[]): void =>
  topics.frame(0, { type: 'tdata', topic: id, first, payloads })
const skip = (id: number, first: number, last = first): void =>
  topics.frame(0, { type: 'skip', topic: id, first, last })
const gap = (id: number, from: number, to = from): void => topics.gap(0, id, { from, to, reason: 'overflow' })

beforeEach(() => {
  sent = []
  topics = new ClientTopics<null>(
    {
      transmit: (message) => sent.push(message),
      // An application that does not get done with what it has.
      deliverTopic: () => false,
      snapshot: () => {},
      topicGap: () => {},
      subscribed: () => {},
      unsubscribed: () => {},
      over: () => {},
      adopt: () => null,
    },
    WINDOW,
    1_000,
  )
  topics.opened(false)
  one = topics.subscribe('one', 'now', false)
  subbed(1, 7, { generation: 'x', offset: 0 })
})

test.each([
  ['SKIP', skip],
  ['GAP', gap],
] as const)('what waits behind a message takes room in the window, %s included', (_, hole) => {
  data(7, 1, 'a')
  for (let offset = 2; offset <= WINDOW.messages; offset++) hole(7, offset)
  expect(topics.messages).toBe(0)
  expect(closeCodeOf(() => hole(7, WINDOW.messages + 1))).toBe(CloseCode.tooLarge)
})

test('a hole is done with when all before it is, and at once if nobody wants it', () => {
  data(7, 1, 'a')
  skip(7, 2, 4)
  gap(7, 5)
  expect(topics.messages).toBe(0)
  topics.handled(0, one)
  expect([topics.messages, topics.bytes]).toEqual([3, 1])
  skip(7, 3, 4)
  expect([topics.messages, topics.bytes]).toEqual([4, 1])
  topics.unsubscribe(one)
  skip(7, 6)
  expect([topics.messages, topics.bytes]).toEqual([5, 1])
})

test('histories without end take no memory without end', () => {
  data(7, 1, 'a')
  const flood = (): void => {
    for (let count = 0; count < 1_000; count++) subbed(1, 7, { generation: `${count}`, offset: 0 })
  }
  expect(closeCodeOf(flood)).toBe(CloseCode.tooLarge)
})

test('HELLO names as many subscriptions as there is room for in the upgrade, whatever their names', () => {
  for (let count = 0; count < 60; count++) topics.subscribe(`(é "%\ud800) `.repeat(count % 20) + count, 'now', false)
  const hello = { window: WINDOW }
  const named = topics.hello(encodeHelloEntry(hello).length)
  const { length } = encodeHelloEntry({ ...hello, topics: named })
  expect(length).toBeLessThanOrEqual(MAX_HELLO_ENTRY)
  expect(length).toBeGreaterThan(MAX_HELLO_ENTRY * 0.8)
})

test('what has ended while there was no connection makes room for what is new', () => {
  topics.closed()
  topics.unsubscribe(one)
  topics.subscribe('two', 'now', false)
  sent = []
  topics.opened(true)
  expect(sent).toEqual(['U {"ref":1}', 'S {"ref":2,"topic":"two","from":"now"}'])
})

test('a position beyond the end is impossible', () => {
  expect(closeCodeOf(() => subbed(1, 7, { generation: 'x', offset: 2 }, 1))).toBe(CloseCode.protocolError)
})

test('a name is known until the server has certainly heard that nobody wants it', () => {
  const names = new TopicNames<string>()
  names.set(7, 'one')
  names.set(8, 'two')
  names.forget('one', 5)
  names.answered(4)
  expect([names.get(7), names.get(8)]).toEqual([undefined, 'two'])
  // It goes on after a pause, and pauses once more.
  names.set(7, 'one')
  names.answered(5)
  expect(names.get(7)).toBe('one')
  names.forget('one', 6)
  names.answered(5)
  expect(names.get(7)).toBeUndefined()
  names.answered(6)
  expect(closeCodeOf(() => names.get(7))).toBe(CloseCode.protocolError)
  expect(names.get(8)).toBe('two')
})

test('there are not more and more names', () => {
  const names = new TopicNames<string>()
  const flood = (): void => {
    for (let id = 0; id < 100_000; id++) names.unuse(id, 1)
  }
  expect(closeCodeOf(flood)).toBe(CloseCode.tooLarge)
})
