import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Retention } from '../../src/stores/store.ts'
import { MemoryTopics } from '../../src/stores/memory-topics.ts'

const DAY_MS = 86_400_000
const ample: Retention = { maxMessages: 100, maxBytes: 1_000, maxAgeMs: 60_000 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function publish(topics: MemoryTopics, retention: Retention, ...payloads: string[]): void {
  for (const data of payloads) topics.publish('a', { data, except: undefined }, retention)
}

test('a topic without messages has a position', () => {
  const topics = new MemoryTopics('x')
  expect(topics.info('a')).toEqual({ generation: 'x', first: 1, last: 0, messages: 0, bytes: 0 })
  expect(topics.watch('a', () => {}).info).toEqual({ generation: 'x', first: 1, last: 0, messages: 0, bytes: 0 })
})

test('offsets rise by 1 for each topic, and who watches hears of each message', () => {
  const topics = new MemoryTopics('x')
  const heard: unknown[] = []
  const { unwatch } = topics.watch('a', ({ generation, offset }, entry) =>
    heard.push([generation, offset, entry!.data]),
  )
  publish(topics, ample, 'one', 'two')
  expect(topics.publish('b', { data: 'x', except: undefined }, ample)).toEqual({ generation: 'x', offset: 1 })
  unwatch()
  publish(topics, ample, 'three')
  expect(heard).toEqual([
    ['x', 1, 'one'],
    ['x', 2, 'two'],
  ])
  expect(topics.read('a').at(3).data).toBe('three')
})

test('keeps as many messages as it may', () => {
  const topics = new MemoryTopics('x')
  publish(topics, { ...ample, maxMessages: 2 }, 'one', 'two', 'three')
  expect(topics.info('a')).toEqual({ generation: 'x', first: 2, last: 3, messages: 2, bytes: 8 })
})

test('keeps as many bytes as it may, and the last message however large it is', () => {
  const topics = new MemoryTopics('x')
  const retention = { ...ample, maxBytes: 7 }
  publish(topics, retention, 'one', 'two', 'six')
  expect(topics.info('a')).toMatchObject({ first: 2, bytes: 6 })
  publish(topics, retention, 'much too large')
  expect(topics.info('a')).toMatchObject({ first: 4, last: 4, messages: 1 })
})

test('keeps messages as long as it may, whether or not anything is published', () => {
  const topics = new MemoryTopics('x')
  publish(topics, ample, 'one')
  vi.advanceTimersByTime(40_000)
  publish(topics, ample, 'two')
  vi.advanceTimersByTime(30_000)
  expect(topics.info('a')).toMatchObject({ first: 2, messages: 1 })
  expect(topics.read('a').first).toBe(2)
  vi.advanceTimersByTime(60_000)
  expect(topics.info('a')).toEqual({ generation: 'x', first: 3, last: 2, messages: 0, bytes: 0 })
})

test('what is kept follows the last publish', () => {
  const topics = new MemoryTopics('x')
  publish(topics, ample, 'one', 'two', 'three')
  publish(topics, { ...ample, maxMessages: 1 }, 'four')
  expect(topics.info('a').messages).toBe(1)
})

test('a topic that is forgotten comes back with another generation: its offsets are not used again', () => {
  const topics = new MemoryTopics('x')
  publish(topics, ample, 'one', 'two')
  vi.advanceTimersByTime(ample.maxAgeMs + DAY_MS + 30_000)
  expect(topics.info('a')).toMatchObject({ last: 0 })
  expect(topics.info('a').generation).not.toBe('x')
  publish(topics, ample, 'anew')
  expect(topics.info('a')).toMatchObject({ generation: 'x.1', first: 1, last: 1 })
})

test('a topic is not forgotten while somebody watches, nor within a day of its last use', () => {
  const topics = new MemoryTopics('x')
  publish(topics, ample, 'one')
  const { unwatch } = topics.watch('a', () => {})
  vi.advanceTimersByTime(2 * DAY_MS)
  expect(topics.info('a')).toMatchObject({ generation: 'x', last: 1 })
  unwatch()
  vi.advanceTimersByTime(DAY_MS - 60_000)
  publish(topics, { ...ample, maxAgeMs: 1 }, 'two')
  vi.advanceTimersByTime(DAY_MS - 60_000)
  expect(topics.info('a')).toMatchObject({ generation: 'x', last: 2 })
  vi.advanceTimersByTime(120_000)
  expect(topics.info('a')).toMatchObject({ last: 0 })
  // Nothing is left that would have to be looked at.
  vi.advanceTimersByTime(20_000)
  expect(vi.getTimerCount()).toBe(0)
})
