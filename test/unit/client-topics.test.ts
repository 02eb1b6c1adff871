import { expect, test } from 'vitest'
import type { ClientSubscription } from '../../src/core/client-subscription.ts'
import { ClientTopics } from '../../src/core/client-topics.ts'
import type { From, Payload, Window } from '../../src/protocol/frame.ts'

type Core = ClientSubscription<string>

/** Subscriptions of a client, and all that they make their shell do. */
class Scene {
  readonly seen: string[] = []
  readonly topics: ClientTopics<string>
  /** Whether a message is handled at once. */
  isQuick = true
  now = 0

  constructor(window: Window = { messages: 8, bytes: 1_000 }) {
    const note = (what: string): void => void this.seen.push(what)
    this.topics = new ClientTopics<string>(
      {
        transmit: (message) => note(message),
        deliverTopic: ({ topic }, { data, position }) => {
          note(`${topic} ${position?.offset ?? 'volatile'}: ${String(data)}`)
          return this.isQuick
        },
        snapshot: ({ topic }, { offset }, reason) => note(`${topic} snapshot ${reason} at ${offset}`),
        topicGap: ({ topic }, { from, to = '', reason }) => note(`${topic} gap ${from}-${to} ${reason}`),
        subscribed: ({ topic, received }) => note(`${topic} from ${received!.generation}:${received!.offset}`),
        unsubscribed: ({ topic }, reason) => note(`${topic} ended ${reason}`),
        over: () => {},
        adopt: ({ topic }) => `adopted ${topic}`,
      },
      window,
      10_000,
    )
    this.topics.opened(false)
  }

  look(): string[] {
    return this.seen.splice(0)
  }

  subbed(ref: number, topic: string, offset = 0, { id = ref, generation = 'x', last = 100 } = {}): void {
    this.topics.frame(this.now, { type: 'subbed', body: { ref, topic, id, generation, offset, last } })
  }

  data(topic: number, first: number, ...payloads: Payload[]): void {
    this.topics.frame(this.now, { type: 'tdata', topic, first, payloads })
  }

  skip(topic: number, first: number, last: number): void {
    this.topics.frame(this.now, { type: 'skip', topic, first, last })
  }

  gap(topic: number, from: number, to: number): void {
    this.topics.gap(this.now, topic, { topic, from, to, reason: 'overflow' })
  }

  ended(ref: number, topic: string, reason: string): void {
    this.topics.frame(this.now, { type: 'unsub', body: { ref, topic, reason } })
  }

  /** A subscription that the server has answered. */
  join(topic: string, from: From = 'now', hasSnapshot = false): Core {
    const subscription = this.topics.subscribe(topic, from, hasSnapshot)
    this.subbed(subscription.ref, topic)
    this.look()
    return subscription
  }

  get credit(): string {
    return `${this.topics.messages} of ${this.topics.bytes}`
  }
}

test('[TDATA-2] what it has already is skipped, counted and not handed over again', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.data(1, 1, 'one', 'two')
  scene.data(1, 1, 'one', 'two', 'three')
  expect(scene.look()).toEqual(['a 1: one', 'a 2: two', 'a 3: three'])
  expect(a.position).toEqual({ generation: 'x', offset: 3 })
  expect(scene.credit).toBe('5 of 17')
})

test('[TDATA-2] [SKIP-1] a hole is a violation, and K and G close one', () => {
  const scene = new Scene()
  scene.join('a')
  expect(() => scene.data(1, 2, 'two')).toThrow('out of order')
  scene.skip(1, 1, 2)
  scene.data(1, 3, 'three')
  scene.gap(1, 4, 6)
  scene.data(1, 7, 'seven')
  expect(scene.look()).toEqual(['a 3: three', 'a gap 4-6 overflow', 'a 7: seven'])
  expect(() => scene.gap(1, 9, 9)).toThrow('out of order')
  expect(() => scene.skip(1, 9, 9)).toThrow('out of order')
  expect(() => scene.data(9, 1, 'x')).toThrow('unknown topic')
})

test('[WINDOW-4] more than the window is a violation, and a large message may come alone', () => {
  const scene = new Scene({ messages: 2, bytes: 10 })
  scene.join('a')
  scene.data(1, 1, 'x'.repeat(50))
  scene.topics.acknowledged()
  scene.data(1, 2, 'a', 'b')
  expect(() => scene.data(1, 4, 'c')).toThrow('window exceeded')
})

test('an acknowledgement waits for company, but not when much is owed', () => {
  const scene = new Scene()
  scene.join('a')
  scene.now = 1_000
  scene.data(1, 1, 'a')
  expect(scene.topics.ackAt).toBe(1_900)
  scene.now = 1_500
  scene.data(1, 2, 'b')
  expect(scene.topics.ackAt).toBe(1_500)
  scene.topics.acknowledged()
  expect([scene.topics.owes, scene.topics.ackAt]).toEqual([false, Infinity])
})

test('[ACK-5] what an earlier connection has brought is not credited on the next one', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.isQuick = false
  scene.data(1, 1, 'one', 'two')
  scene.topics.closed()
  expect(scene.topics.hello(0)).toEqual([{ ref: 1, topic: 'a', from: { generation: 'x', offset: 2 } }])
  scene.topics.opened(true)
  scene.subbed(1, 'a', 2)
  scene.data(1, 3, 'three')
  scene.topics.handled(0, a)
  scene.topics.handled(0, a)
  expect(scene.credit).toBe('0 of 0')
  scene.topics.handled(0, a)
  expect(scene.credit).toBe('1 of 5')
  expect(scene.look()).toEqual(['a 1: one', 'a from x:2', 'a 2: two', 'a 3: three'])
})

test('[WINDOW-7] one that fills half of the window is paused, and goes on where it had to stop', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.join('b')
  scene.isQuick = false
  scene.data(1, 1, '1', '2', '3', '4', '5')
  expect(scene.look()).toEqual(['a 1: 1', 'U {"ref":1,"pause":true}'])
  expect(a.heldMessages).toBe(2)
  // What was on its way is let go of, and credited.
  scene.data(1, 6, '6')
  expect(scene.credit).toBe('4 of 4')
  scene.topics.handled(0, a)
  expect(scene.look()).toEqual(['S {"ref":1,"topic":"a","from":{"generation":"x","offset":2}}', 'a 2: 2'])
  scene.subbed(1, 'a', 2)
  scene.data(1, 3, '3')
  scene.topics.handled(0, a)
  expect(scene.look()).toEqual(['a from x:2', 'a 3: 3'])
})

test('[WINDOW-7] one that was alone gives room back when there is another', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.isQuick = false
  scene.data(1, 1, '1', '2', '3', '4', '5', '6', '7', '8')
  scene.topics.subscribe('b', 'now', false)
  scene.look()
  scene.subbed(2, 'b')
  expect(scene.look()).toEqual(['b from x:0', 'U {"ref":1,"pause":true}'])
  expect(a.heldMessages).toBe(2)
  expect(scene.credit).toBe('6 of 6')
})

test('a subscription that has ended gives back what waits, what is handled then, and what fails then', () => {
  const scene = new Scene()
  const [a, b] = [scene.join('a'), scene.join('b')]
  scene.isQuick = false
  scene.now = 10_000
  scene.data(1, 1, '1', '2')
  scene.data(2, 1, '3')
  scene.topics.unsubscribe(a)
  expect(scene.credit).toBe('1 of 1')
  expect(scene.topics.ackAt).toBeLessThanOrEqual(scene.now)
  scene.topics.acknowledged()
  scene.topics.handled(scene.now, a)
  expect(scene.credit).toBe('2 of 2')
  expect(scene.topics.ackAt).toBeLessThan(Infinity)
  scene.topics.unsubscribe(b)
  scene.topics.failed(scene.now, b)
  expect(scene.credit).toBe('3 of 3')
  expect(scene.look()).toEqual(['a 1: 1', 'b 1: 3', 'U {"ref":1}', 'U {"ref":2}'])
  scene.topics.tick(1e9)
  expect(scene.look()).toEqual([])
})

test('[UNSUB-3] an end without a connection is told on the next one, and so are the last ones that may be lost', () => {
  const scene = new Scene()
  const [a, b] = [scene.join('a'), scene.join('b')]
  scene.topics.unsubscribe(a)
  expect(scene.look()).toEqual(['U {"ref":1}'])
  scene.topics.closed()
  scene.topics.unsubscribe(b)
  expect(scene.look()).toEqual([])
  scene.topics.opened(true)
  expect(scene.look()).toEqual(['U {"ref":1}', 'U {"ref":2}'])
  scene.topics.closed()
  scene.topics.opened(false)
  expect(scene.look()).toEqual([])
})

test('what still comes for one that has ended is dropped and credited; an O for it is answered', () => {
  const scene = new Scene()
  scene.join('a')
  scene.ended(1, 'a', 'unsubscribed')
  scene.data(1, 1, 'one')
  scene.skip(1, 2, 2)
  expect(scene.credit).toBe('2 of 3')
  scene.subbed(1, 'a')
  expect(scene.look()).toEqual(['a ended unsubscribed', 'U {"ref":1}'])
})

test('[UNSUB-6] the end is told behind the messages that came before it', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.isQuick = false
  scene.data(1, 1, 'one')
  scene.ended(1, 'a', 'unauthorized')
  expect(scene.look()).toEqual(['a 1: one'])
  scene.topics.handled(0, a)
  expect([scene.look(), a.state]).toEqual([['a ended unauthorized'], 'ended'])
})

test('another generation is a gap of unknown size; a later beginning is one that is known', () => {
  const scene = new Scene()
  scene.join('a')
  scene.data(1, 1, 'one')
  scene.subbed(1, 'a', 4)
  scene.subbed(1, 'a', 0, { generation: 'y' })
  scene.data(1, 1, 'anew')
  expect(scene.look()).toEqual([
    'a 1: one',
    'a from x:4',
    'a gap 2-4 skipped',
    'a from y:0',
    'a gap 5- generation',
    'a 1: anew',
  ])
  expect(() => scene.subbed(1, 'a', 0, { generation: 'y', last: 0 })).toThrow('impossible position')
})

test('a snapshot comes before the first message and after a gap, and what it covers is left out', () => {
  const scene = new Scene()
  const a = scene.topics.subscribe('a', 'now', true)
  scene.subbed(1, 'a', 3)
  scene.data(1, 4, 'four', 'five', 'six')
  expect(scene.look().slice(1)).toEqual(['a from x:3', 'a snapshot initial at 3'])
  a.covered({ generation: 'x', offset: 5 })
  scene.topics.handled(0, a)
  expect(scene.look()).toEqual(['a 6: six'])
  scene.gap(1, 7, 9)
  scene.gap(1, 10, 11)
  scene.data(1, 12, 'twelve')
  expect(scene.look()).toEqual(['a gap 7-9 overflow', 'a snapshot overflow at 9'])
  scene.topics.handled(0, a)
  expect(scene.look()).toEqual(['a gap 10-11 overflow', 'a snapshot overflow at 11'])
  scene.topics.handled(0, a)
  expect(scene.look()).toEqual(['a 12: twelve'])
})

test('a snapshot that fails is asked for again, and messages wait for it', () => {
  const scene = new Scene()
  const a = scene.topics.subscribe('a', 'now', true)
  scene.subbed(1, 'a')
  scene.data(1, 1, 'one')
  scene.look()
  scene.topics.failed(0, a)
  expect(scene.topics.retryAt).toBe(1_000)
  scene.topics.tick(999)
  expect(scene.look()).toEqual([])
  scene.topics.tick(1_000)
  expect(scene.look()).toEqual(['a snapshot initial at 0'])
  scene.topics.handled(1_000, a)
  expect(scene.look()).toEqual(['a 1: one'])
})

test('[VOLATILE-3] a volatile message keeps its place, and is not handed over again', () => {
  const scene = new Scene()
  const a = scene.join('a')
  scene.isQuick = false
  scene.data(1, 1, 'one')
  scene.topics.frame(0, { type: 'volatile', topic: 1, payloads: ['now'] })
  scene.data(1, 2, 'two')
  scene.topics.handled(0, a)
  scene.topics.failed(0, a)
  expect(scene.look()).toEqual(['a 1: one', 'a volatile: now', 'a 2: two'])
})

test('[SUBBED-7] what the server has made is adopted, told in HELLO, and paused by its topic', () => {
  const scene = new Scene()
  scene.join('a')
  scene.subbed(0, 'mine', 5, { id: 9 })
  scene.isQuick = false
  scene.data(9, 6, '1', '2', '3', '4', '5')
  expect(scene.look()).toEqual(['mine from x:5', 'mine 6: 1', 'U {"ref":0,"topic":"mine","pause":true}'])
  expect(scene.topics.hello(0).map(({ ref, topic, from }) => [ref, topic, from])).toEqual([
    [1, 'a', { generation: 'x', offset: 0 }],
    [0, 'mine', { generation: 'x', offset: 7 }],
  ])
})

test('[HELLO-7] what HELLO has no room for follows as SUB', () => {
  const scene = new Scene()
  scene.topics.closed()
  for (let index = 0; index < 100; index++) scene.topics.subscribe(`topic ${index}`, 'now', false)
  const told = scene.topics.hello(1_000)
  expect(told.length).toBeGreaterThan(10)
  expect(told.length).toBeLessThan(100)
  scene.topics.opened(true)
  expect(scene.look()[0]).toBe(`S {"ref":${told.length + 1},"topic":"topic ${told.length}","from":"now"}`)
})
