import { MessageLog } from '../../src/core/message-log.ts'
import { Subscriber, type Subscription, type TopicEntry, type TopicSlice } from '../../src/core/subscriber.ts'
import { Topic, type TopicEffects } from '../../src/core/topic.ts'
import { decode } from '../../src/protocol/decode.ts'
import type { Payload, Window } from '../../src/protocol/frame.ts'

/** A frame as many share it: that two got the same one is seen by its identity. */
export interface Shared {
  readonly message: Payload
}

/** A connection that notes what it is given. */
export class Transport {
  readonly given: (Payload | Shared)[] = []
  isWritable = true
  expected = 0

  /** What it was given since the last look, in words. */
  look(): string[] {
    return this.given
      .splice(0)
      .map((given) => inWords(typeof given === 'object' && 'message' in given ? given.message : given))
  }
}

type Log = MessageLog<TopicEntry>

/** A topic, its log, and those who have subscribed. */
export class TopicScene {
  readonly log: Log = new MessageLog<TopicEntry>(({ data }) => data.length)
  readonly topic: Topic<Transport, Shared>
  readonly effects: TopicEffects<Transport, Shared>
  /** The log is far away: reads are answered by hand. */
  isFar = false
  readonly reads: number[] = []
  scheduled = 0
  frames = 0

  constructor(name = 'prices', id = 7) {
    this.effects = {
      transmit: (transport, message) => transport.given.push(message),
      share: (transport, frame) => transport.given.push(frame),
      expect: (transport) => transport.expected++,
      isWritable: (transport) => transport.isWritable,
      frame: (message) => {
        this.frames++
        return { message }
      },
      schedule: () => this.scheduled++,
      read: (_, after) => {
        this.reads.push(after)
        return this.isFar ? undefined : this.log
      },
    }
    this.topic = new Topic(this.effects, id, name, { generation: 'x', first: 1, last: 0 })
  }

  /** Publishes, and lets the turn of the event loop end. */
  publish(...payloads: (Payload | TopicEntry)[]): void {
    this.append(...payloads)
    this.topic.flush()
  }

  append(...payloads: (Payload | TopicEntry)[]): void {
    for (const payload of payloads) {
      const entry = typeof payload === 'object' && 'data' in payload ? payload : { data: payload, except: undefined }
      this.topic.appended(this.log.append(entry), entry)
    }
  }

  subscriber(session: string, window: Window = { messages: 100, bytes: 10_000 }): Subscriber<Transport, Shared> {
    const subscriber = new Subscriber<Transport, Shared>(this.effects, session)
    subscriber.begin(new Transport(), window)
    return subscriber
  }

  /** Somebody who has subscribed, from the head if nothing else is said. */
  join(subscriber: Subscriber<Transport, Shared>, after = this.topic.last, ref = 1): Subscription<Transport, Shared> {
    const subscription = this.topic.add(subscriber, ref, after)
    this.topic.enter(subscription, after)
    subscriber.transport?.look()
    return subscription
  }

  /** A copy of a part of the log. */
  slice(first: number, last: number): TopicSlice {
    const entries = Array.from({ length: last - first + 1 }, (_, index) => this.log.at(first + index))
    return { first, last, at: (offset) => entries[offset - first]! }
  }
}

function inWords(message: Payload): string {
  const frame = decode(message)
  switch (frame.type) {
    case 'tdata':
      return `${frame.first}: ${frame.payloads.join('|')}`
    case 'volatile':
      return `volatile: ${frame.payloads.join('|')}`
    case 'skip':
      return `not ${frame.first}-${frame.last}`
    case 'gap':
      return `gap ${frame.body.from}-${frame.body.to} ${frame.body.reason}`
    case 'subbed':
      return `subbed ${frame.body.ref} ${frame.body.generation}:${frame.body.offset} of ${frame.body.last}`
    default:
      return String(message)
  }
}
