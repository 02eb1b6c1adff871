import { expect, test } from 'vitest'
import { TopicScene, Transport } from './topic-scene.ts'

const window = { messages: 2, bytes: 100 }

test('[WINDOW-5] what an earlier connection has carried is not credited to the next one', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  const subscription = scene.join(one)
  scene.publish('a', 'b', 'c')
  expect(one.inFlight).toBe(2)
  one.end()
  const transport = new Transport()
  one.begin(transport, window)
  expect([one.inFlight, one.inFlightBytes]).toEqual([0, 0])
  scene.topic.enter(subscription, 0)
  expect(transport.look()).toEqual(['subbed 1 x:0 of 3', '1: a|b'])
  expect(one.acknowledge(3, 3)).toBe(false)
  expect(one.acknowledge(2, 2)).toBe(true)
  expect(transport.look()).toEqual(['3: c'])
})

test('[ACK-5] credit that comes twice, or late, counts once', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  scene.join(one)
  scene.publish('a', 'b', 'c', 'd')
  one.acknowledge(2, 2)
  expect(one.inFlight).toBe(2)
  one.acknowledge(1, 1)
  expect(one.inFlight).toBe(2)
})

test('what the client certainly has is known only if all is acknowledged on the connection that brought it', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  const subscription = scene.join(one, 0, 0)
  scene.publish('a', 'b')
  one.acknowledge(1, 1)
  one.end()
  expect(subscription.confirmed).toBe(0)
  // There is nothing in flight now, and that proves nothing.
  one.end()
  expect(subscription.confirmed).toBe(0)
  one.begin(new Transport(), window)
  scene.topic.enter(subscription, subscription.confirmed)
  one.acknowledge(2, 2)
  one.end()
  expect(subscription.confirmed).toBe(2)
})

test('of one that is paused the client may have let go of something', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  const subscription = scene.join(one, 0, 0)
  scene.publish('a', 'b')
  scene.topic.leave(subscription)
  one.acknowledge(2, 2)
  one.end()
  expect(subscription.confirmed).toBe(0)
})

test('a client that is paused gets nothing, and goes on from where it says', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  const subscription = scene.join(one)
  scene.publish('a')
  scene.topic.leave(subscription)
  scene.publish('b')
  scene.topic.publishVolatile('v', undefined)
  scene.topic.flush()
  expect(one.transport!.look()).toEqual(['1: a'])
  one.acknowledge(1, 1)
  scene.topic.enter(subscription, 0)
  expect(one.transport!.look()).toEqual(['subbed 1 x:0 of 2', '1: a|b'])
  one.acknowledge(3, 3)
  scene.publish('c')
  expect(one.transport!.look()).toEqual(['3: c'])
})

test('all subscriptions share one window, and take turns', () => {
  const [prices, news] = [new TopicScene('prices', 7), new TopicScene('news', 8)]
  const one = prices.subscriber('one', window)
  for (let count = 0; count < 130; count++) {
    prices.publish('p')
    news.publish('n')
  }
  prices.join(one, 0)
  news.join(one, 0)
  expect(one.inFlight).toBe(2)
  const kinds: string[] = []
  for (let acknowledged = 2; acknowledged < 22; acknowledged += 2) {
    one.acknowledge(acknowledged, acknowledged)
    kinds.push(...one.transport!.look().map((frame) => frame.slice(-1)))
  }
  expect(kinds.filter((kind) => kind === 'p')).toHaveLength(5)
})

test('a connection that takes nothing gets nothing, and goes on when it is drained', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', { messages: 10, bytes: 100 })
  scene.join(one)
  const transport = one.transport!
  transport.isWritable = false
  scene.publish('a')
  scene.topic.publishVolatile('v', undefined)
  scene.topic.flush()
  expect(transport.look()).toEqual([])
  transport.isWritable = true
  one.pump()
  expect(transport.look()).toEqual(['1: a'])
})

test('without a connection nothing is in flight, nothing is taken, and nobody is behind', () => {
  const scene = new TopicScene()
  const one = scene.subscriber('one', window)
  const subscription = scene.join(one)
  one.end()
  expect(one.take(1, 1)).toBe(false)
  one.catchUp(subscription)
  expect(subscription.isBehind).toBe(false)
  scene.publish('a')
  expect(one.inFlight).toBe(0)
})

test('a subscription that ends while the store is asked for it disturbs no other', () => {
  const scene = new TopicScene()
  const other = new TopicScene('news', 8)
  scene.publish('a')
  other.publish('b')
  const one = scene.subscriber('one', window)
  one.transport!.isWritable = false
  const ending = scene.join(one, 0)
  const staying = other.join(one, 0)
  scene.isFar = true
  const read = scene.effects.read.bind(scene.effects)
  scene.effects.read = (topic, after) => {
    // The store fails at once, and the application hears of it.
    scene.topic.remove(ending)
    return read(topic, after)
  }
  one.transport!.isWritable = true
  one.pump()
  expect(one.transport!.look()).toEqual(['1: b'])
  expect([staying.isBehind, staying.sent]).toEqual([false, 1])
})
