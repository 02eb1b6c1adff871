import { expect, test } from 'vitest'
import { MAX_BATCH_MESSAGES } from '../../src/protocol/limits.ts'
import { TopicScene, type Transport } from './topic-scene.ts'

const transportOf = ({ transport }: { transport: Transport | undefined }): Transport => transport!
const letters = 'abcdefghij'.split('')

test('all at the head get one frame, the same object, made once', () => {
  const scene = new TopicScene()
  const [one, other] = [scene.subscriber('one'), scene.subscriber('other')]
  scene.join(one)
  scene.join(other)
  scene.publish('a', 'b')
  const [frame] = transportOf(one).given
  expect(transportOf(other).given).toEqual([frame])
  expect(transportOf(other).given[0]).toBe(frame)
  expect(scene.frames).toBe(1)
  expect(transportOf(one).look()).toEqual(['1: a|b'])
  expect(scene.reads).toEqual([])
})

test('nothing is encoded where nobody is', () => {
  const scene = new TopicScene()
  scene.publish('a')
  expect(scene.frames).toBe(0)
  expect([scene.topic.last, scene.topic.flushed]).toEqual([1, 1])
})

test('texts and bytes do not travel together, nor more than a frame may hold', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 10_000, bytes: 1e6 })
  scene.join(one)
  scene.publish('a', new Uint8Array([1]), 'b')
  expect(transportOf(one).look()).toEqual(['1: a', '2: 1', '3: b'])
  for (let count = 0; count < MAX_BATCH_MESSAGES + 1; count++) scene.append('c')
  scene.topic.flush()
  expect(transportOf(one).look().length).toBeGreaterThan(1)
})

test('much goes before the turn is over', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 10_000, bytes: 1e6 })
  scene.join(one)
  for (let count = 0; count < 256; count++) scene.append('a')
  expect(transportOf(one).given).toHaveLength(1)
  scene.append('x'.repeat(70_000))
  expect(transportOf(one).given).toHaveLength(2)
})

test('[SUBBED-1] an empty topic has a position', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one')
  scene.topic.enter(scene.topic.add(one, 3, 0), 0)
  expect(transportOf(one).look()).toEqual(['subbed 3 x:0 of 0'])
})

test('[WINDOW-1] the window is never exceeded, and is used to its end', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 3, bytes: 100 })
  scene.join(one)
  scene.publish(...letters)
  expect(transportOf(one).look()).toEqual(['1: a|b|c'])
  expect(one.inFlight).toBe(3)
  expect(one.acknowledge(1, 1)).toBe(true)
  expect(transportOf(one).look()).toEqual(['4: d'])
  expect(one.acknowledge(4, 4)).toBe(true)
  expect(transportOf(one).look()).toEqual(['5: e|f|g'])
  expect(one.acknowledge(8, 8)).toBe(false)
})

test('[WINDOW-2] a message larger than the window goes when nothing else is in flight', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 10, bytes: 10 })
  scene.join(one)
  const large = 'x'.repeat(50)
  scene.publish('abc', large, 'd')
  expect(transportOf(one).look()).toEqual(['1: abc'])
  one.acknowledge(1, 3)
  expect(transportOf(one).look()).toEqual([`2: ${large}`])
  one.acknowledge(2, 53)
  expect(transportOf(one).look()).toEqual(['3: d'])
})

test('who is behind comes back to the head and gets the shared frame again', () => {
  const scene = new TopicScene()
  const [slow, fast] = [scene.subscriber('slow', { messages: 2, bytes: 100 }), scene.subscriber('fast')]
  const behind = scene.join(slow)
  scene.join(fast)
  scene.publish('a', 'b', 'c')
  expect(behind.isBehind).toBe(true)
  slow.acknowledge(2, 2)
  slow.acknowledge(3, 3)
  expect(behind.isBehind).toBe(false)
  transportOf(slow).look()
  transportOf(fast).look()
  scene.publish('d')
  expect(transportOf(slow).given[0]).toBe(transportOf(fast).given[0])
})

test('[WINDOW-6] one that stalls costs the others nothing: no frame more, no read', () => {
  const scene = new TopicScene()
  const [stalled, fast] = [scene.subscriber('stalled', { messages: 1, bytes: 100 }), scene.subscriber('fast')]
  scene.join(stalled)
  scene.join(fast)
  scene.publish('a')
  scene.publish('b')
  const [frames, reads] = [scene.frames, scene.reads.length]
  for (const letter of letters) scene.publish(letter)
  expect(scene.frames - frames).toBe(letters.length)
  expect(scene.reads.length).toBe(reads)
  expect(transportOf(fast).given).toHaveLength(letters.length + 2)
  expect(transportOf(stalled).look()).toEqual(['1: a'])
})

test('those behind share frames, which end at the same places wherever they began', () => {
  const scene = new TopicScene()
  for (let count = 0; count < 300; count++) scene.publish('m')
  const one = scene.subscriber('one', { messages: 1_000, bytes: 10_000 })
  const other = scene.subscriber('other', { messages: 1_000, bytes: 10_000 })
  const late = scene.subscriber('late', { messages: 1_000, bytes: 10_000 })
  const before = scene.frames
  scene.topic.enter(scene.topic.add(one, 1, 0), 0)
  expect(scene.frames - before).toBe(3)
  scene.topic.enter(scene.topic.add(other, 1, 0), 0)
  expect(scene.frames - before).toBe(3)
  scene.topic.enter(scene.topic.add(late, 1, 100), 100)
  expect(scene.frames - before).toBe(4)
  expect(transportOf(late).given[2]).toBe(transportOf(one).given[2])
})

test('frames for those behind are kept up to a megabyte, and until they are forgotten', () => {
  const scene = new TopicScene()
  const large = 'x'.repeat(60_000)
  for (let count = 0; count < 30; count++) scene.publish(large)
  const window = { messages: 1_000, bytes: 10_000_000 }
  const read = (after: number): number => {
    const before = scene.frames
    scene.topic.enter(scene.topic.add(scene.subscriber('reader', window), 1, after), after)
    return scene.frames - before
  }
  expect(read(0)).toBe(30)
  // 17 of them fit: the oldest are gone, the newest are there.
  expect(read(13)).toBe(0)
  expect(read(0)).toBe(30)
  scene.topic.forgetFrames()
  expect(read(20)).toBe(10)
})

test('[SKIP-1] whoever is not meant gets K, all others the shared frame', () => {
  const scene = new TopicScene()
  const [one, other] = [scene.subscriber('one'), scene.subscriber('other')]
  scene.join(one)
  scene.join(other)
  const own = { data: 'own', except: 'one' }
  scene.publish('a', own, own, 'b')
  expect(transportOf(one).look()).toEqual(['1: a', 'not 2-3', '4: b'])
  expect(transportOf(other).look()).toEqual(['1: a|own|own|b'])
  expect([one.inFlight, one.inFlightBytes]).toEqual([3, 2])
})

test('[GAP-1] what is trimmed is told in its place, also when it is trimmed while somebody reads', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 2, bytes: 100 })
  scene.join(one)
  scene.publish(...letters)
  expect(transportOf(one).look()).toEqual(['1: a|b'])
  scene.log.trimTo(6)
  one.acknowledge(2, 2)
  expect(transportOf(one).look()).toEqual(['gap 3-6 overflow', '7: g'])
  scene.log.trimTo(10)
  one.acknowledge(4, 3)
  expect(transportOf(one).look()).toEqual(['gap 8-10 overflow'])
  one.acknowledge(5, 3)
  scene.publish('k')
  expect(transportOf(one).look()).toEqual(['11: k'])
})

test('where a subscription begins', () => {
  const scene = new TopicScene()
  scene.publish(...letters)
  const head = { generation: 'x', first: 4, last: 10 }
  const resolve = (from: Parameters<typeof scene.topic.resolve>[0]) => scene.topic.resolve(from, head)
  expect(resolve('now')).toBe(10)
  expect(resolve('first')).toBe(3)
  expect(resolve({ last: 2 })).toBe(8)
  expect(resolve({ last: 100 })).toBe(3)
  expect(resolve({ generation: 'x', offset: 0 })).toBe(0)
  expect(resolve({ generation: 'x', offset: 10 })).toBe(10)
  expect(resolve({ generation: 'x', offset: 11 })).toBeUndefined()
  expect(resolve({ generation: 'y', offset: 99 })).toBe(0)
})

test('a store that is far away is read once for all who wait, and nothing overtakes what is read', () => {
  const scene = new TopicScene()
  scene.append('a', 'b', 'c')
  scene.topic.flush()
  scene.isFar = true
  const [one, other] = [scene.subscriber('one'), scene.subscriber('other')]
  scene.join(one, 0)
  scene.join(other, 1)
  expect(scene.reads).toEqual([0])
  scene.publish('d')
  scene.topic.publishVolatile('v', undefined)
  scene.topic.flush()
  expect(transportOf(one).look()).toEqual([])
  expect(scene.topic.dropped).toBe(2)
  scene.topic.loaded(0, scene.slice(1, 4))
  expect(transportOf(one).look()).toEqual(['1: a|b|c|d'])
  expect(transportOf(other).look()).toEqual(['2: b|c|d'])
  scene.publish('e')
  expect([transportOf(one).look(), transportOf(other).look()]).toEqual([['5: e'], ['5: e']])
})

test('a read that fails is tried once more, and an answer to another question is not taken', () => {
  const scene = new TopicScene()
  scene.publish('a')
  scene.isFar = true
  const one = scene.subscriber('one')
  scene.join(one, 0)
  scene.topic.loaded(5, scene.slice(1, 1))
  scene.topic.readFailed(5)
  expect(scene.reads).toEqual([0])
  scene.topic.readFailed(0)
  expect(scene.reads).toEqual([0, 0])
  scene.topic.loaded(0, scene.slice(1, 1))
  expect(transportOf(one).look()).toEqual(['1: a'])
})

test('what others have published is read, and is one frame for all at the head', () => {
  const scene = new TopicScene()
  const [one, other] = [scene.subscriber('one'), scene.subscriber('other')]
  scene.join(one)
  scene.join(other)
  scene.isFar = true
  for (const data of ['a', 'b']) scene.topic.appended(scene.log.append({ data, except: undefined }), undefined)
  scene.topic.flush()
  expect(scene.reads).toEqual([0])
  scene.topic.loaded(0, scene.slice(1, 2))
  expect(transportOf(one).given[0]).toBe(transportOf(other).given[0])
  expect(transportOf(one).look()).toEqual(['1: a|b'])
  // A hint that comes twice, or late, changes nothing.
  scene.topic.appended(1, undefined)
  scene.topic.flush()
  expect(transportOf(one).look()).toEqual([])
})

test('[SUBBED-6] another generation is told to all, and begins at its first message', () => {
  const scene = new TopicScene()
  const [one, away] = [scene.subscriber('one'), scene.subscriber('away')]
  scene.join(one)
  const paused = scene.join(away)
  scene.publish('a', 'b')
  transportOf(one).look()
  transportOf(away).look()
  scene.topic.leave(paused)
  scene.topic.restarted({ generation: 'y', first: 1, last: 2 })
  expect(transportOf(one).look()).toEqual(['subbed 1 y:0 of 2', '1: a|b'])
  expect(transportOf(away).look()).toEqual([])
  expect(paused.confirmed).toBe(0)
})

test('what was being read of the history before is not taken for the new one', () => {
  const scene = new TopicScene()
  scene.publish('old')
  scene.isFar = true
  const one = scene.subscriber('one')
  scene.join(one, 0)
  const old = scene.slice(1, 1)
  scene.topic.restarted({ generation: 'y', first: 1, last: 1 })
  transportOf(one).look()
  scene.topic.loaded(0, old)
  expect(transportOf(one).look()).toEqual([])
  expect(scene.reads).toEqual([0, 0])
})

test('[VOLATILE-2] volatile messages go to those who can take them now, once, and wait for nobody', () => {
  const scene = new TopicScene()
  const [full, fast, own] = [
    scene.subscriber('full', { messages: 1, bytes: 9 }),
    scene.subscriber('fast'),
    scene.subscriber('own'),
  ]
  for (const one of [full, fast, own]) scene.join(one)
  scene.publish('a')
  scene.topic.publishVolatile('v', undefined)
  scene.topic.publishVolatile('w', 'own')
  scene.topic.flush()
  expect(transportOf(full).look()).toEqual(['1: a'])
  expect(transportOf(fast).look()).toEqual(['1: a', 'volatile: v', 'volatile: w'])
  expect(transportOf(own).look()).toEqual(['1: a', 'volatile: v'])
  expect(scene.topic.dropped).toBe(2)
  full.acknowledge(1, 1)
  expect(transportOf(full).look()).toEqual([])
})

test('volatile messages that cannot go before a read are bounded', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 10_000, bytes: 1e9 })
  scene.join(one)
  scene.isFar = true
  scene.topic.appended(scene.log.append({ data: 'a', except: undefined }), undefined)
  for (let count = 0; count < 10_000; count++) scene.topic.publishVolatile(String(count), undefined)
  scene.topic.loaded(0, scene.slice(1, 1))
  const [first, ...rest] = transportOf(one).look()
  expect(first).toBe('1: a')
  const came = rest.flatMap((frame) => frame.slice('volatile: '.length).split('|'))
  expect(came.length).toBeLessThanOrEqual(256)
  expect(came.at(-1)).toBe('9999')
  expect(scene.topic.dropped).toBe(10_000 - came.length)
})

test('who has unsubscribed gets nothing that still waits, and the others go on', () => {
  const scene = new TopicScene()
  const other = new TopicScene('news', 8)
  const one = scene.subscriber('one', { messages: 1, bytes: 100 })
  const ended = scene.join(one)
  other.join(one)
  scene.publish('a', 'b')
  other.publish('x')
  expect(transportOf(one).look()).toEqual(['1: a'])
  scene.topic.remove(ended)
  expect(scene.topic.members.size).toBe(0)
  one.acknowledge(1, 1)
  expect(transportOf(one).look()).toEqual(['1: x'])
})
