import type { Buffer } from 'node:buffer'
import type { TopicEntry, TopicSlice } from '../core/subscriber.ts'
import { Topic, type TopicEffects } from '../core/topic.ts'
import type { Position } from '../protocol/frame.ts'
import type { MaybePromise, Store, TopicInfo } from '../stores/store.ts'
import { chain } from './chain.ts'
import type { SessionConnection } from './session-connection.ts'
import { webSocketFrame } from './web-socket-frame.ts'

/** A topic that somebody here has subscribed to, or listens to. */
export class OpenTopic extends Topic<SessionConnection, Buffer> {
  unwatch = (): void => {}
}

/** What open topics ask their server. */
export interface OpenTopicsHost {
  readonly store: Store
  expect(connection: SessionConnection): void
  /** Asks the store. @returns its answer, or `undefined` if that comes later or not at all */
  ask<T>(call: () => MaybePromise<T>, answered: (answer: T) => void, failed?: () => void): T | undefined
}

/** How often frames for those who are behind are let go of. */
const FORGET_FRAMES_MS = 2_000

/** The topics that somebody here has subscribed to: watched in the store from the first subscription to the last, and fanned out. */
export class OpenTopics {
  readonly effects: TopicEffects<SessionConnection, Buffer>
  readonly #host: OpenTopicsHost
  readonly #topics = new Map<string, OpenTopic>()
  readonly #opening = new Map<string, Promise<OpenTopic>>()
  /** How many are about to subscribe to a topic: it stays open until they have, or have not. */
  readonly #wanted = new Map<string, number>()
  #dirty: Topic<SessionConnection, Buffer>[] = []
  /**
   * While several topics are flushed: connections that get something, and the frame that waits for company, since those of
   * all topics leave in one write; `undefined` as soon as there are more, which wait in the socket.
   */
  #gathered: Map<SessionConnection, Buffer | undefined> | undefined
  #nextId = 1
  #droppedBefore = 0
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(host: OpenTopicsHost) {
    this.#host = host
    this.effects = {
      transmit: (connection, message) => {
        this.#release(connection)
        connection.transmit(message)
      },
      share: (connection, frame) => {
        const gathered = this.#gathered
        if (gathered && !gathered.has(connection)) return void gathered.set(connection, frame)
        this.#release(connection)
        connection.share(frame)
      },
      expect: (connection) => host.expect(connection),
      isWritable: (connection) => connection.isWritable,
      frame: webSocketFrame,
      schedule: (topic) => {
        if (this.#dirty.push(topic) === 1) setImmediate(this.#flush)
      },
      read: (topic, after) =>
        host.ask<TopicSlice>(
          () => host.store.readTopic(topic.name, after),
          (slice) => topic.loaded(after, slice),
          () => topic.readFailed(after),
        ),
    }
  }

  get stats(): { readonly topics: number; readonly subscriptions: number; readonly dropped: number } {
    let subscriptions = 0
    let dropped = this.#droppedBefore
    for (const topic of this.#topics.values()) {
      subscriptions += topic.members.size
      dropped += topic.dropped
    }
    return { topics: this.#topics.size, subscriptions, dropped }
  }

  get(name: string): OpenTopic | undefined {
    return this.#topics.get(name)
  }

  close(): void {
    for (const topic of this.#topics.values()) topic.unwatch()
    clearInterval(this.#timer)
  }

  /** Opens a topic for somebody who is about to subscribe. */
  use(name: string, use: (topic: OpenTopic) => MaybePromise<void>): MaybePromise<void> {
    const wanted = this.#wanted
    wanted.set(name, (wanted.get(name) ?? 0) + 1)
    const done = (): void => {
      const others = wanted.get(name)! - 1
      if (others) wanted.set(name, others)
      else wanted.delete(name)
      const topic = this.#topics.get(name)
      if (topic) this.closeUnused(topic)
    }
    let isPending = false
    try {
      const used = chain(this.#open(name), use)
      isPending = used instanceof Promise
      return used instanceof Promise ? used.finally(done) : used
    } finally {
      if (!isPending) done()
    }
  }

  /** Closes a topic if nobody has subscribed to it, or is about to. */
  closeUnused(topic: OpenTopic): void {
    if (topic.members.size || this.#wanted.has(topic.name) || this.#topics.get(topic.name) !== topic) return
    topic.unwatch()
    this.#droppedBefore += topic.dropped
    this.#topics.delete(topic.name)
  }

  #open(name: string): MaybePromise<OpenTopic> {
    const open = this.#topics.get(name) ?? this.#opening.get(name)
    if (open) return open
    let topic: OpenTopic | undefined
    let heard: Position | undefined
    const watching = this.#host.store.watch(name, (position, entry) => {
      heard = position
      if (topic) hear(topic, position, entry)
    })
    const begin = ({ info, unwatch }: { readonly info: TopicInfo; readonly unwatch: () => void }): OpenTopic => {
      topic = new OpenTopic(this.effects, this.#nextId++, name, info)
      topic.unwatch = unwatch
      this.#topics.set(name, topic)
      this.#opening.delete(name)
      if (heard) hear(topic, heard, undefined)
      this.#forgetFramesLater()
      return topic
    }
    if (!(watching instanceof Promise)) return begin(watching)
    const opening = watching.then(begin)
    this.#opening.set(name, opening)
    opening.catch(() => this.#opening.delete(name))
    return opening
  }

  #forgetFramesLater(): void {
    this.#timer ??= setInterval(() => {
      for (const topic of this.#topics.values()) topic.forgetFrames()
      if (this.#topics.size) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }, FORGET_FRAMES_MS)
    this.#timer.unref()
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    if (dirty.length > 1) this.#gathered = new Map()
    try {
      for (const topic of dirty) topic.flush()
    } finally {
      const gathered = this.#gathered
      this.#gathered = undefined
      for (const [connection, frame] of gathered ?? []) {
        if (frame) connection.share(frame)
        else connection.uncork()
      }
    }
  }

  /** The frame that waits for company has it. */
  #release(connection: SessionConnection): void {
    const frame = this.#gathered?.get(connection)
    if (!frame) return
    this.#gathered!.set(connection, undefined)
    connection.cork()
    connection.share(frame)
  }
}

function hear(topic: OpenTopic, { generation, offset }: Position, entry: TopicEntry | undefined): void {
  if (generation === topic.generation) topic.appended(offset, entry)
  else topic.restarted({ generation, first: 1, last: offset })
}
