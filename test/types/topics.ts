// Compile-time checks, run by `tsc`: topics, as a client subscribes to them and as a server publishes to them.
import {
  connect,
  type From,
  type GapEvent,
  type GapReason,
  type HeartlineError,
  type Payload,
  type Position,
  type SessionMessage,
  type SnapshotContext,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionState,
  type TopicMessage,
} from '../../src/client/index.ts'
import {
  createServer,
  type PublishOptions,
  type Retention,
  type ServerStats,
  type Session,
  type Topic,
  type TopicInfo,
} from '../../src/server/index.ts'

// The client.
const session = connect('wss://example.com')
const prices: Subscription = session.subscribe('prices')
const position: Position | undefined = prices.position
const state: SubscriptionState = prices.state
export const known: ['waiting' | 'subscribed' | 'ended', string] = [state, prices.topic]

export const places: From[] = ['now', 'first', { last: 10 }, { generation: 'x', offset: 0 }]
// @ts-expect-error There is no such place.
places.push('last')
// @ts-expect-error An offset says nothing without its generation.
places.push({ offset: 1 })
export const optionsOfSubscriptions: SubscribeOptions[] = [
  {},
  { from: position ?? 'now' },
  { from: { last: 10 }, snapshot: () => {} },
  { snapshot: async () => {} },
  { snapshot: async ({ position }) => position },
  { snapshot: ({ topic, position, reason }: SnapshotContext) => void [topic, position.offset, reason] },
  // @ts-expect-error It returns a position, or nothing.
  { snapshot: async () => ({ gold: 1900 }) },
  // @ts-expect-error It is misspelt.
  { form: 'now' },
]
// @ts-expect-error A topic has a name.
session.subscribe({ subject: 'ann' })

prices.on('message', async (message) => {
  const { data, topic, id, redelivered }: TopicMessage = message
  const payload: Payload = data
  // @ts-expect-error A volatile message has none.
  const offset: number = message.position.offset
  // @ts-expect-error It is text or bytes.
  const json: object = data as string
  // @ts-expect-error It is read-only.
  message.data = ''
  await Promise.resolve([payload, topic.length, id.length, !redelivered, offset, json])
})
prices.on('subscribed', ({ position }) => position.offset.toFixed())
prices.on('gap', (event) => {
  const { stream, topic, session, generation, from, to, reason }: GapEvent = event
  const why: GapReason = reason
  // @ts-expect-error Nobody may know how many there were.
  const count: number = event.to - event.from
  return [stream === 'topic', topic?.length, session, generation, from, to, why, count]
})
prices.on('ended', ({ reason }) => reason.length)
prices.on('error', ({ code, cause }: HeartlineError) => [code, cause])
const off: () => void = prices.on('message', ({ data }) => console.log(data))
off()
// @ts-expect-error Only the session has that event.
prices.on('state', () => {})
// @ts-expect-error Clients do not publish.
prices.publish('mine')
// @ts-expect-error It is read-only.
prices.position = undefined

export async function read(): Promise<void> {
  using room = session.subscribe('room', { from: 'first' })
  for await (const { data, position } of room) console.log(data, position?.offset)
  for await (const { data, topic } of session) console.log(data, topic)
}
session.on('message', ({ topic }: SessionMessage) => topic?.length)
session.on('gap', ({ stream }) => {
  const streams: 'inbox' | 'topic' = stream
  return streams
})

// The server.
const server = createServer({
  port: 0,
  authenticate: () => ({ subject: 'ann', rooms: ['lobby'] }),
  authorize: ({ identity, topic, session }) => {
    const own: string = session.subject
    // @ts-expect-error `authenticate` does not give that.
    const role: string = identity.role
    return identity.rooms.includes(topic) && own !== role
  },
  topics: { maxMessages: 100, maxBytes: Infinity, maxAgeMs: 1_000 },
  limits: { maxSubscriptionsPerSession: 10 },
})
export const others = [
  createServer({ port: 0, authorize: async ({ topic }) => topic === 'lobby' }),
  // @ts-expect-error It says yes or no.
  createServer({ port: 0, authorize: () => 'yes' }),
  // @ts-expect-error It is misspelt.
  createServer({ port: 0, topics: { maxAge: 1 } }),
]

type Ann = typeof server extends { sessions(): IterableIterator<infer S> } ? S : never
declare const ann: Ann
const rooms: string[] = ann.identity.rooms
export const published: Promise<Position | undefined>[] = [
  server.publish('room', 'text'),
  server.publish('room', new Uint8Array(1), { except: ann }),
  server.publish('room', new ArrayBuffer(1), { except: ann.id, volatile: true }),
  server.publish({ subject: 'ann' }, 'text'),
  server.publish([ann], 'text'),
  server.publish(
    [...server.sessions()].filter(({ isConnected }) => isConnected),
    'text',
  ),
]
export const publishOptions: PublishOptions[] = [{}, { except: 'id' }, { volatile: true }]
// @ts-expect-error Objects have to be encoded.
void server.publish('room', { x: 1 })
// @ts-expect-error A list has sessions, not names of them.
void server.publish(['id'], 'text')
// @ts-expect-error It is misspelt.
void server.publish('room', 'text', { excpet: ann })

const retain: Partial<Retention> = { maxMessages: 50 }
const room: Topic<(typeof ann)['identity']> = server.topic('room', { retain })
export const numbers: number = room.subscribers + room.name.length
export async function kept(): Promise<number[]> {
  const { generation, first, last, messages, bytes }: TopicInfo = await room.info()
  const offsets = (await room.history({ after: first, last: 10 })).map(({ data, offset }) => data.length + offset)
  return [generation.length, last, messages, bytes, ...offsets]
}
for (const type of ['join', 'leave', 'away', 'back'] as const) room.on(type, ({ session }) => session.identity.rooms)
for (const { session, isAway } of room.members()) if (!isAway) session.identity.rooms.push(...rooms)
// @ts-expect-error There is no such event.
room.on('leaves', () => {})
// @ts-expect-error What is kept of all topics is an option of the server.
server.topic('room', { maxMessages: 1 })

export async function serve(one: Session): Promise<readonly string[]> {
  await one.subscribe('room', { from: { last: 10 } })
  // @ts-expect-error The hook is the client's.
  await one.subscribe('room', { snapshot: () => {} })
  one.unsubscribe('room')
  await one.reauthorize()
  return one.subscriptions
}
export const counts: (stats: ServerStats) => number[] = ({ topics, subscriptions, dropped }) => [
  topics,
  subscriptions,
  dropped,
]
