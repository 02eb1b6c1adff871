import { encodeGap, encodeSkip } from '../protocol/encode.ts'
import type { Payload, Window } from '../protocol/frame.ts'

/** One message in the log of a topic. */
export interface TopicEntry {
  readonly data: Payload
  /** The session that does not get it. */
  readonly except: string | undefined
}

/** Consecutive messages of a topic; its whole log, or a part that was read from it. */
export interface TopicSlice {
  /** Offset of the first message; later than what was asked for if the log's head has been trimmed. */
  readonly first: number
  readonly last: number
  /** The message at an offset from {@link first} to {@link last}. */
  at(offset: number): TopicEntry
}

/** Consecutive messages, encoded once for all who get them. */
export interface TopicFrame<F> {
  readonly last: number
  readonly messages: number
  /** Of their payloads. */
  readonly bytes: number
  readonly frame: F
  /** Sessions for which one of the messages is not meant. */
  readonly excepts: readonly string[] | undefined
}

/** How much may be sent now. */
export interface Room {
  readonly messages: number
  readonly bytes: number
}

/** A topic, as those who read it see it. */
export interface TopicSource<T, F> {
  readonly id: number
  /** All up to this offset was offered to those who were at the head. */
  readonly flushed: number
  /**
   * @returns messages behind an offset; `undefined` if they have to be awaited: then {@link Subscriber.catchUp} is called
   * again
   */
  sliceAfter(offset: number, subscription: Subscription<T, F>): TopicSlice | undefined
  /** @returns the next messages of a slice for a session: as many as fit, and at least one */
  frameAfter(offset: number, slice: TopicSlice, room: Room, session: string): TopicFrame<F>
  /** A subscription gets nothing more, until it is entered again. */
  leave(subscription: Subscription<T, F>): void
}

/** What subscribers make their shell do. One for all; `T` is the shell's connection, `F` a frame in the form that many share. */
export interface SubscriberEffects<T, F> {
  /** Give a connection one WebSocket message. */
  transmit(transport: T, message: Payload): void
  /** Give it one that others get, too. */
  share(transport: T, frame: F): void
  /** Data was given to a connection: its peer has to be heard soon. */
  expect(transport: T): void
  /** Whether the connection takes more at all. Otherwise {@link Subscriber.pump} is called when it does. */
  isWritable(transport: T): boolean
}

/** A session's place in a topic. */
export interface Subscription<T, F> {
  readonly topic: TopicSource<T, F>
  readonly subscriber: Subscriber<T, F>
  /** The client's name for it; 0 if the server has made it. */
  ref: number
  /** Last offset that the current connection was given. */
  sent: number
  /** An offset up to which the client certainly needs nothing more, should it not say where it is. */
  confirmed: number
  /** Where it is in the topic's list of those that get messages; -1 if it gets none now. */
  place: number
  /** It waits for room, or for the log to be read. */
  isBehind: boolean
}

/** Nothing. One for all: most sessions are never behind. */
const NONE: Subscription<any, any>[] = []

/**
 * What a session has to do with topics: its subscriptions, and how much of all of them together is on its way. It holds no
 * messages: whoever is behind reads the log as the window allows.
 *
 * Both ends count the messages and bytes that this connection has carried, so that what is in flight is known without a list
 * of it; where each subscription goes on after a cut is the client's to say.
 */
export class Subscriber<T, F> {
  /** Public name of the session. */
  readonly session: string
  transport: T | undefined
  readonly subscriptions: Subscription<T, F>[] = []
  readonly #effects: SubscriberEffects<T, F>
  #window: Window = { messages: 0, bytes: 0 }
  #sentMessages = 0
  #sentBytes = 0
  #ackedMessages = 0
  #ackedBytes = 0
  #behind = NONE
  #isPumping = false

  constructor(effects: SubscriberEffects<T, F>, session: string) {
    this.#effects = effects
    this.session = session
  }

  /** There is a new connection. Its subscriptions begin one by one. */
  begin(transport: T, window: Window): void {
    this.transport = transport
    this.#window = window
    this.#sentMessages = this.#sentBytes = this.#ackedMessages = this.#ackedBytes = 0
  }

  /** The connection is gone, or another one takes its place. */
  end(): void {
    // Nothing is in flight where there is no connection, and that proves nothing.
    if (this.transport === undefined) return
    const { inFlight } = this
    for (const subscription of this.subscriptions) {
      // All that was sent is handled: whoever does not say where it is goes on from there. One that is paused has let go of some.
      if (!inFlight && subscription.place >= 0) subscription.confirmed = subscription.sent
      subscription.topic.leave(subscription)
    }
    this.transport = undefined
  }

  /** Messages on their way. */
  get inFlight(): number {
    return this.transport === undefined ? 0 : this.#sentMessages - this.#ackedMessages
  }

  /** Bytes of payload on their way. */
  get inFlightBytes(): number {
    return this.#sentBytes - this.#ackedBytes
  }

  /** The client is done with so many messages and bytes that this connection has carried. @returns whether that can be */
  acknowledge(messages: number, bytes: number): boolean {
    if (messages > this.#sentMessages || bytes > this.#sentBytes) return false
    this.#ackedMessages = Math.max(this.#ackedMessages, messages)
    this.#ackedBytes = Math.max(this.#ackedBytes, bytes)
    this.pump()
    return true
  }

  /** Takes the room for a frame, if there is so much. */
  take(messages: number, bytes: number): boolean {
    const { transport } = this
    if (transport === undefined) return false
    if (this.inFlight + messages > this.#window.messages) return false
    const { inFlightBytes } = this
    if (inFlightBytes >= this.#window.bytes) return false
    // One beyond the window goes while so little is in flight that its acknowledgement may wait for company.
    if (inFlightBytes + bytes > this.#window.bytes && (inFlightBytes >= this.#window.bytes / 4 || messages > 1))
      return false
    if (!this.#effects.isWritable(transport)) return false
    this.#count(messages, bytes)
    return true
  }

  /** Gives the connection a frame for which {@link take} has found room. */
  share(frame: F): void {
    this.#effects.share(this.transport!, frame)
    this.#effects.expect(this.transport!)
  }

  /** A subscription does not get what is new before it has had what is older. */
  catchUp(subscription: Subscription<T, F>): void {
    if (this.transport === undefined || subscription.place < 0) return
    if (!subscription.isBehind) {
      subscription.isBehind = true
      if (this.#behind === NONE) this.#behind = []
      this.#behind.push(subscription)
    }
    this.pump()
  }

  /** A subscription ends, or waits for its client. */
  forget(subscription: Subscription<T, F>): void {
    if (!subscription.isBehind) return
    subscription.isBehind = false
    this.#behind.splice(this.#behind.indexOf(subscription), 1)
  }

  /** Gives those that are behind what the window takes, one after the other. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      for (let subscription = this.#behind[0]; subscription; subscription = this.#behind[0]) {
        const outcome = this.#advance(subscription)
        if (outcome === 'blocked') return
        // The store may have failed, and whoever heard of it may have ended the subscription.
        if (this.#behind[0] !== subscription) continue
        this.#behind.shift()
        if (outcome === 'more') this.#behind.push(subscription)
        else subscription.isBehind = false
      }
    } finally {
      this.#isPumping = false
    }
  }

  #advance(subscription: Subscription<T, F>): 'more' | 'done' | 'blocked' {
    const { topic, sent } = subscription
    const transport = this.transport!
    if (sent >= topic.flushed) return 'done'
    const { inFlightBytes } = this
    const room = { messages: this.#window.messages - this.inFlight, bytes: this.#window.bytes - inFlightBytes }
    if (room.messages <= 0 || room.bytes <= 0 || !this.#effects.isWritable(transport)) return 'blocked'
    const slice = topic.sliceAfter(sent, subscription)
    // It is called back.
    if (!slice) return 'done'
    const first = sent + 1
    const end = Math.min(slice.last, topic.flushed)
    let last = first
    if (slice.first > first) {
      last = Math.min(slice.first - 1, topic.flushed)
      this.#effects.transmit(transport, encodeGap({ topic: topic.id, from: first, to: last, reason: 'overflow' }))
      this.#count(1, 0)
    } else if (slice.at(first).except === this.session) {
      while (last < end && slice.at(last + 1).except === this.session) last++
      this.#effects.transmit(transport, encodeSkip(topic.id, first, last))
      this.#count(1, 0)
    } else {
      if (inFlightBytes >= this.#window.bytes / 4 && slice.at(first).data.length > room.bytes) return 'blocked'
      const frame = topic.frameAfter(sent, slice, room, this.session)
      last = frame.last
      this.#count(frame.messages, frame.bytes)
      this.#effects.share(transport, frame.frame)
    }
    this.#effects.expect(transport)
    subscription.sent = last
    return 'more'
  }

  #count(messages: number, bytes: number): void {
    this.#sentMessages += messages
    this.#sentBytes += bytes
  }
}
