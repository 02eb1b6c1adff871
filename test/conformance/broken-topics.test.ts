import { test } from 'vitest'
import { decode, decodeHelloEntry } from '../../src/protocol/decode.ts'
import { encodeHelloEntry, encodeSub, encodeSubbed } from '../../src/protocol/encode.ts'
import type { Frame, Hello, Payload } from '../../src/protocol/frame.ts'
import { clientCases, serverCases, type ClientSubject } from '../../src/testing/index.ts'
import { clientUnderTest } from './client-under-test.ts'
import { expectFinding, found } from './finding.ts'
import { relay, type Relayed, type Tamper } from './relay.ts'
import { serverUnderTest, type ServerBreakage } from './server-under-test.ts'

type Back = (message: Payload) => void

/** What becomes of frames; `undefined`: what it is. */
const frames =
  (change: (frame: Frame, message: Payload, back: Back) => readonly Payload[] | undefined): Tamper =>
  (message, back) =>
    change(decode(message), message, back) ?? [message]
/** The same for each connection. */
const always = (change: Parameters<typeof frames>[0]) => () => frames(change)
const hello = (change: (hello: Hello) => Hello) => (offers: string[]) =>
  offers.map((offer) => {
    const body = decodeHelloEntry(offer)
    return body ? encodeHelloEntry(change(body)) : offer
  })

interface BrokenServer extends Pick<Broken, 'what' | 'fails' | 'passes'> {
  readonly breakage?: ServerBreakage
  readonly relayed?: Relayed
}

interface Broken {
  readonly what: string
  readonly fails: readonly string[]
  readonly passes: readonly string[]
}

const brokenServers: readonly BrokenServer[] = [
  {
    what: 'lets everybody have every topic',
    breakage: { options: { authorize: () => true } },
    fails: ['topics/denied', 'topics/unsure', 'topics/authorized-anew', 'topics/revoked'],
    passes: ['topics/now', 'topics/names-of-the-server'],
  },
  {
    what: 'takes a failure to authorize for a no',
    breakage: { options: { authorize: ({ topic }) => !/^(denied|unsure)/.test(topic) } },
    fails: ['topics/unsure'],
    passes: ['topics/denied', 'topics/limit'],
  },
  {
    what: 'has no limit of subscriptions',
    breakage: { options: { limits: { maxSubscriptionsPerSession: 10_000 } } },
    fails: ['topics/limit'],
    passes: ['topics/any-order'],
  },
  {
    what: 'forgets for whom a message is not',
    breakage: {
      store: (store) => ({
        publish: (topic, entry, retention) => store.publish(topic, { ...entry, except: undefined }, retention),
      }),
    },
    fails: ['topics/except'],
    passes: ['topics/payloads', 'topics/volatile'],
  },
  {
    what: 'forgets one message that it reads from the log',
    breakage: {
      store: (store) => ({
        readTopic: (topic, after) => {
          const slice = store.readTopic(topic, after)
          if (slice instanceof Promise) return slice
          return { first: Math.max(slice.first, after + 2), last: slice.last, at: (offset) => slice.at(offset) }
        },
      }),
    },
    fails: ['topics/from', 'resume/topics', 'topics/pause'],
    passes: ['topics/now', 'topics/revoked'],
  },
  {
    what: 'keeps nothing of a topic that it has not sent',
    breakage: { options: { topics: { maxMessages: 1 } } },
    fails: ['topics/trimmed', 'topics/from', 'resume/topics'],
    passes: ['topics/now'],
  },
  {
    what: 'does not hear UNSUB',
    relayed: { toServer: always(({ type }) => (type === 'unsub' ? [] : undefined)) },
    fails: ['topics/unsub', 'topics/pause', 'topics/unsub-before-answer'],
    passes: ['topics/revoked'],
  },
  {
    what: 'answers twice',
    relayed: { toClient: always(({ type }, message) => (type === 'subbed' ? [message, message] : undefined)) },
    fails: ['topics/any-order', 'topics/replaced'],
    passes: ['topics/now'],
  },
  {
    what: 'does not answer who is refused',
    relayed: { toClient: always(({ type }) => (type === 'unsub' ? [] : undefined)) },
    fails: ['topics/denied', 'topics/revoked', 'topics/impossible-position', 'topics/replaced', 'resume/topics-ended'],
    passes: ['topics/unsub'],
  },
  {
    what: 'has one id for all topics',
    relayed: {
      toClient: always((frame, message) =>
        frame.type === 'subbed'
          ? [encodeSubbed({ ...frame.body, id: 1 })]
          : frame.type === 'tdata'
            ? [String(message).replace(/^T\d+/, 'T1')]
            : undefined,
      ),
    },
    fails: ['topics/names'],
    passes: ['topics/now'],
  },
  {
    what: 'begins before the place that it says',
    relayed: {
      toClient: always((frame) =>
        frame.type === 'subbed' ? [encodeSubbed({ ...frame.body, offset: frame.body.last })] : undefined,
      ),
    },
    fails: ['topics/from', 'topics/trimmed', 'resume/topics'],
    passes: ['topics/unsub'],
  },
  {
    what: 'repeats what is volatile',
    relayed: { toClient: always(({ type }, message) => (type === 'volatile' ? [message, message] : undefined)) },
    fails: ['topics/volatile', 'topics/volatile-dropped'],
    passes: ['topics/payloads'],
  },
  {
    what: 'does not skip',
    relayed: { toClient: always(({ type }) => (type === 'skip' ? [] : undefined)) },
    fails: ['topics/except'],
    passes: ['topics/payloads'],
  },
  {
    what: 'keeps gaps to itself',
    relayed: { toClient: always(({ type }) => (type === 'gap' ? [] : undefined)) },
    fails: ['topics/trimmed', 'window/topics-behind'],
    passes: ['topics/payloads'],
  },
  {
    what: 'sends more than the window',
    relayed: { offers: hello((body) => ({ ...body, window: { messages: 1_000, bytes: 1_000_000 } })) },
    fails: [
      'window/topics-messages',
      'window/topics-bytes',
      'window/topics-none',
      'resume/topics-window',
      'topics/volatile-dropped',
    ],
    passes: ['topics/from'],
  },
  {
    what: 'takes every acknowledgement of topics',
    relayed: { toServer: always((frame) => (frame.type === 'ack' ? [`A${frame.ack}`] : undefined)) },
    fails: ['ack/of-topics-not-sent', 'window/topics-messages'],
    passes: ['topics/payloads'],
  },
  {
    what: 'does not look at the topics in HELLO',
    relayed: { offers: hello((body) => ({ ...body, topics: [] })) },
    fails: ['resume/topics', 'resume/topics-ended', 'resume/topics-of-the-server'],
    passes: ['resume/topics-not-asked-for'],
  },
  {
    what: 'goes on by itself with what the client had asked for',
    relayed: {
      toClient: () => {
        let isTold = false
        return frames((frame, message) => {
          if (frame.type !== 'welcome' || !frame.body.resumed || isTold) return
          isTold = true
          const subbed = { ref: 1, topic: 'room', id: 1, generation: 'x', offset: 0, last: 0 }
          return [message, encodeSubbed(subbed), 'T1,1 a']
        })
      },
    },
    fails: ['resume/topics-not-asked-for', 'topics/answer-for-another-connection'],
    passes: ['topics/revoked'],
  },
]

test.concurrent.each(brokenServers)(
  'a server that $what is found',
  { timeout: 60_000 },
  async ({ breakage = {}, relayed, fails, passes }) => {
    const findings = [...fails, ...passes].map(async (id) => {
      await using subject = await serverUnderTest(breakage)
      const between = relayed && (await relay(subject.url, relayed))
      const finding = await found(serverCases, id, { ...subject, ...(between && { url: between.url }) })
      between?.close()
      return [id, finding?.message] as const
    })
    for (const [id, finding] of await Promise.all(findings)) expectFinding(id, finding, fails.includes(id))
  },
)

interface BrokenClient extends Broken {
  readonly relayed?: Relayed
  readonly start?: ClientSubject['start']
}

type TopicEvents = Parameters<NonNullable<Awaited<ReturnType<ClientSubject['start']>>['subscribe']>>[2]

/** Our client, with an application that does something else with topics. */
const withTopicEvents =
  (change: (events: TopicEvents) => Partial<TopicEvents>): ClientSubject['start'] =>
  async (url, events) => {
    const client = await clientUnderTest.start(url, events)
    return {
      ...client,
      subscribe: (topic, from, events) => client.subscribe!(topic, from, { ...events, ...change(events) }),
    }
  }

const brokenClients: readonly BrokenClient[] = [
  {
    what: 'acknowledges what its application is not done with',
    start: withTopicEvents(({ message }) => ({
      message: (data) => {
        void message(data).catch(() => {})
        return Promise.resolve()
      },
    })),
    fails: ['topics/acknowledges', 'topics/failed', 'topics/window-exceeded'],
    passes: ['topics/hands-over', 'topics/unsub'],
  },
  {
    what: 'tells its application everything twice',
    start: withTopicEvents(({ message }) => ({ message: (data) => message(data).then(() => message(data)) })),
    fails: ['topics/hands-over', 'topics/comes-back', 'topics/skips-what-it-has'],
    passes: ['topics/asks'],
  },
  {
    what: 'keeps gaps of topics to itself',
    start: withTopicEvents(() => ({ gap: () => {} })),
    fails: ['topics/gaps', 'topics/skips-what-it-has'],
    passes: ['topics/comes-back', 'gap/in-place'],
  },
  {
    what: 'does not tell that a subscription is over',
    start: withTopicEvents(() => ({ ended: () => {} })),
    fails: ['topics/ended'],
    passes: ['topics/gaps'],
  },
  {
    what: 'never acknowledges topics',
    relayed: { toServer: always((frame) => (frame.type === 'ack' ? [`A${frame.ack}`] : undefined)) },
    fails: ['topics/acknowledges', 'topics/unsub', 'topics/of-the-server'],
    passes: ['topics/hands-over', 'ack/handled'],
  },
  {
    what: 'counts bytes in another way',
    relayed: {
      toServer: always((frame) =>
        frame.type === 'ack' && frame.bytes ? [`A${frame.ack},${frame.messages},${frame.bytes * 2}`] : undefined,
      ),
    },
    fails: ['topics/acknowledges', 'topics/unsub'],
    passes: ['topics/hands-over'],
  },
  {
    what: 'takes one number for all subscriptions',
    relayed: {
      toServer: always((frame) => (frame.type === 'sub' ? [encodeSub({ ...frame.body, ref: 1 })] : undefined)),
    },
    fails: ['topics/asks'],
    passes: ['topics/gaps'],
  },
  {
    what: 'asks again by itself',
    relayed: {
      toClient: always((frame, message, back) => {
        if (frame.type !== 'unsub') return
        back(encodeSub({ ref: 50, topic: 'room', from: 'now' }))
        return [message]
      }),
    },
    fails: ['topics/ended'],
    passes: ['topics/gaps', 'topics/unsub'],
  },
  {
    what: 'comes back without its topics',
    relayed: {
      offers: hello((body) => ({ ...body, topics: [] })),
      toServer: () => {
        let isResumed = false
        return frames((frame) => {
          // The first subscriptions come behind the first ACK and its messages, those of a resume at once.
          if (frame.type === 'ack') isResumed = true
          return frame.type === 'sub' && !isResumed ? [] : undefined
        })
      },
    },
    fails: ['topics/comes-back', 'topics/new-session', 'topics/many', 'topics/of-the-server'],
    passes: ['topics/hands-over'],
  },
  {
    what: 'does not say what it has ended',
    relayed: { toServer: always(({ type }) => (type === 'unsub' ? [] : undefined)) },
    fails: ['topics/unsub', 'topics/unsub-while-away', 'topics/unsub-crosses-subbed', 'topics/pauses'],
    passes: ['topics/gaps'],
  },
  {
    what: 'begins where it likes',
    relayed: {
      toServer: always((frame) => (frame.type === 'sub' ? [encodeSub({ ...frame.body, from: 'now' })] : undefined)),
      offers: hello((body) => ({ ...body, topics: body.topics?.map((sub) => ({ ...sub, from: 'now' })) ?? [] })),
    },
    fails: ['topics/asks', 'topics/comes-back', 'topics/jump', 'topics/gaps'],
    passes: ['topics/hands-over'],
  },
  {
    what: 'bears every jump',
    relayed: {
      toClient: always((frame) => (frame.type === 'tdata' && frame.first !== 1 ? [] : undefined)),
    },
    fails: ['topics/jump', 'topics/number-0', 'topics/jump-of-several', 'topics/hands-over'],
    passes: ['topics/unsub-while-away', 'topics/skip-jump'],
  },
  {
    what: 'does not know that ids end with their connection',
    relayed: { toClient: always(({ type }) => (type === 'tdata' ? [] : undefined)) },
    fails: ['topics/id-of-another-connection', 'topics/unknown-id-T'],
    passes: ['topics/unknown-id-K'],
  },
]

test.concurrent.each(brokenClients)(
  'a client that $what is found',
  { timeout: 60_000 },
  async ({ start = clientUnderTest.start, relayed, fails, passes }) => {
    const relays: { close(): void }[] = []
    const subject: ClientSubject = {
      ...clientUnderTest,
      async start(url, events) {
        if (!relayed) return start(url, events)
        const between = await relay(url, relayed)
        relays.push(between)
        return start(between.url, events)
      },
    }
    const findings = [...fails, ...passes].map(
      async (id) => [id, (await found(clientCases, id, subject))?.message] as const,
    )
    for (const [id, finding] of await Promise.all(findings)) expectFinding(id, finding, fails.includes(id))
    for (const one of relays) one.close()
  },
)
