import { test } from 'vitest'
import { checkPeace, checkRest } from './topics/oracle.ts'
import { simulateTopics, type TopicSchedule, type TopicStep } from './topics/simulation.ts'

/** Schedules that once failed, as short as they could be made. */
const usual: Omit<TopicSchedule, 'steps'> = {
  seed: 0,
  clients: 1,
  topics: 1,
  window: { messages: 1, bytes: 100 },
  plans: [{ handler: ['at once'], snapshot: undefined }],
  retention: { maxMessages: 10_000, maxBytes: 1_048_576, maxAgeMs: 1e9 },
  storeDelayMs: undefined,
  authorizeMs: undefined,
  delayMs: 1,
  ttlMs: 60_000,
  subscriptions: 0,
}

const publish = (count = 1, topic = 0): TopicStep => ({ kind: 'publish', topic, count, size: 20, except: undefined })
const subscribe = (start: 'now' | 'first', client = 0, topic = 0): TopicStep => ({
  kind: 'subscribe',
  client,
  topic,
  start,
})
const down: TopicStep = { kind: 'down', isDown: true }
const serverUnsubscribes = (topic = 0): TopicStep => ({ kind: 'serverUnsubscribes', client: 0, topic })
const serverSubscribes = (): TopicStep => ({
  kind: 'serverSubscribes',
  client: 0,
  topic: 0,
  start: 'first',
})

const schedules: Record<
  string,
  Partial<TopicSchedule> & { readonly play: readonly (readonly [afterMs: number, step: TopicStep])[] }
> = {
  'a subscription that ends while its HELLO is on its way is not made': {
    subscriptions: 1,
    play: [[0, { kind: 'unsubscribe', client: 0, topic: 0 }]],
  },
  'an UNSUB that is lost with its connection is told once more': {
    subscriptions: 1,
    play: [
      [100, { kind: 'halfOpen', client: 0, to: 'server' }],
      [0, { kind: 'unsubscribe', client: 0, topic: 0 }],
      [100, { kind: 'cut', client: 0, topic: 0 }],
    ],
  },
  'those behind share frames of a store that is far away, whoever has read more of it': {
    storeDelayMs: 50,
    window: { messages: 20, bytes: 100 },
    topics: 4,
    play: [
      [0, { kind: 'join' }],
      [0, publish(21)],
      [11, subscribe('first', 1)],
      [39, subscribe('now', 0, 1)],
      [0, subscribe('first')],
    ],
  },
  'an acknowledgement that is due while the session closes keeps no timer busy': {
    subscriptions: 1,
    plans: [{ handler: ['fails', 'at once'], snapshot: { takesMs: 0, covers: 0, fails: false } }],
    play: [
      [1, publish()],
      [1, down],
      [0, { kind: 'leave', client: 0 }],
    ],
  },
  'what the server ends while `authorize` is asked once more does not come back': {
    subscriptions: 1,
    authorizeMs: 500,
    play: [
      [2_000, { kind: 'cut', client: 0, topic: 0 }],
      [1_200, serverUnsubscribes()],
    ],
  },
  'a client that has not heard that it took over a topic from the server hears it when it is back': {
    delayMs: 200,
    play: [
      [0, serverSubscribes()],
      [505, subscribe('first')],
      [77, down],
      [0, publish()],
    ],
  },
  'the server ends what still waits for the store': {
    storeDelayMs: 700,
    play: [
      [100, serverSubscribes()],
      [1, serverUnsubscribes()],
    ],
  },
  'a SUB after a pause that crosses the end of its subscription makes no member': {
    topics: 2,
    window: { messages: 4, bytes: 2_000 },
    plans: [{ handler: [50], snapshot: undefined }],
    delayMs: 200,
    play: [
      [0, subscribe('now')],
      [0, subscribe('now', 0, 1)],
      [2_000, publish(4, 1)],
      [300, serverUnsubscribes(1)],
    ],
  },
  'what the server has made begins where it was, if its first messages were lost with the connection': {
    play: [
      [100, { kind: 'halfOpen', client: 0, to: 'client' }],
      [0, serverSubscribes()],
      [0, publish(3)],
      [100, { kind: 'cut', client: 0, topic: 0 }],
      [20_000, publish(3)],
    ],
  },
  'a subscription that has filled the window alone gives some of it back when there is another one': {
    topics: 2,
    window: { messages: 4, bytes: 2_000 },
    staysStalled: true,
    play: [
      [0, subscribe('now')],
      [100, { kind: 'stall', client: 0, topic: 0 }],
      [0, publish(9)],
      [100, subscribe('now', 0, 1)],
      [100, publish(3, 1)],
      [20_000, publish(1, 1)],
    ],
  },
  'a subscription that is ended with messages waiting gives the window back at once': {
    topics: 2,
    plans: [{ handler: [300], snapshot: undefined }],
    play: [
      [0, subscribe('now')],
      [0, subscribe('now', 0, 1)],
      [100, publish(3)],
      [100, { kind: 'unsubscribe', client: 0, topic: 0 }],
      [0, publish(3, 1)],
    ],
  },
  'a handler that fails after its subscription has ended takes no room for ever': {
    topics: 2,
    plans: [{ handler: ['fails', 'at once'], snapshot: undefined }],
    play: [
      [0, subscribe('now')],
      [0, subscribe('now', 0, 1)],
      [100, { kind: 'stall', client: 0, topic: 0 }],
      [0, publish()],
      [100, { kind: 'unsubscribe', client: 0, topic: 0 }],
      [0, { kind: 'release' }],
      [0, publish(3, 1)],
    ],
  },
  'what the server may say of topics does not depend on whether they have just ended': {
    plans: [{ handler: ['at once'], snapshot: { takesMs: 0, covers: 0, fails: false } }],
    play: [
      [0, subscribe('now')],
      [3, serverUnsubscribes()],
      [0, serverSubscribes()],
    ],
  },
  'stored messages of another history are not taken for those of this one': {
    storeDelayMs: 700,
    window: { messages: 20, bytes: 2_000 },
    play: [
      [0, publish(30)],
      [2_000, subscribe('first')],
      [4_000, { kind: 'storeRestarts' }],
      [0, publish(40)],
    ],
  },
}

const ends = new Set(['unsubscribed', 'replaced'])

test.each(Object.entries(schedules))('[P3] %s', async (_, { play, ...more }) => {
  const steps = play.map(([afterMs, step]) => ({ afterMs, step }))
  const outcome = await simulateTopics({ ...usual, ...more, steps })
  checkPeace(outcome)
  checkRest(outcome, ends)
})
