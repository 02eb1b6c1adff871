import { encodeSubbed, encodeTopicData, encodeVolatile } from '../protocol/encode.ts'
import type { From, Payload } from '../protocol/frame.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from '../protocol/limits.ts'
import type {
  Room,
  Subscriber,
  SubscriberEffects,
  Subscription,
  TopicEntry,
  TopicFrame,
  TopicSlice,
  TopicSource,
} from './subscriber.ts'

/** What a store says of a topic's log. */
export interface TopicHead {
  readonly generation: string
  /** Offset of the oldest message that is kept; one more than {@link last} if there is none. */
  readonly first: number
  /** Offset of the last message, kept or not; 0 before the first one. */
  readonly last: number
}

/** What topics make their shell do. */
export interface TopicEffects<T, F> extends SubscriberEffects<T, F> {
  /** Bring a WebSocket message into the form that many share. */
  frame(message: Payload): F
  /** Call {@link Topic.flush} at the end of this turn of the event loop. */
  schedule(topic: Topic<T, F>): void
  /** @returns messages of the log behind an offset; `undefined` if {@link Topic.loaded} or {@link Topic.readFailed} follows */
  read(topic: Topic<T, F>, after: number): TopicSlice | undefined
}

interface Volatile {
  /** The last message of the log that was published before it. */
  readonly after: number
  readonly data: Payload
  readonly except: string | undefined
}

/** With so much waiting, a flush does not wait for the end of the turn. */
const EAGER_MESSAGES = 256
const EAGER_BYTES = 65_536
/** Those who are behind get frames that end at multiples of this: so the same frames serve all of them. */
const FRAME_MESSAGES = 128
/** Most bytes of payload in the frames that are kept for others who are behind. */
const MAX_FRAMES_BYTES = 1_048_576

/**
 * The fan-out of a topic in this process. What is published in one turn of the event loop becomes one frame, encoded once,
 * for all who are at the head of the log; whoever is not reads the log, and comes back to the head.
 */
export class Topic<T, F> implements TopicSource<T, F> {
  readonly id: number
  readonly name: string
  generation: string
  /** Last offset of the log, as far as is known here. */
  last: number
  flushed: number
  /** Volatile messages that somebody was too slow for. */
  dropped = 0
  /** All subscriptions, those of sessions without connection included. */
  readonly members = new Set<Subscription<T, F>>()
  readonly #effects: TopicEffects<T, F>
  /** Those that get messages now. */
  readonly #live: Subscription<T, F>[] = []
  /** What comes behind {@link flushed}, as far as it need not be read. */
  #pending: TopicEntry[] = []
  #pendingBytes = 0
  #volatile: Volatile[] = []
  #volatileBytes = 0
  #isScheduled = false
  /** What was read last, and behind which offset. */
  #loaded: { readonly after: number; readonly slice: TopicSlice } | undefined
  #readingAfter: number | undefined
  /** Nobody wants what is being read. */
  #isOutdated = false
  /** Who waits for that. */
  #readers = new Set<Subscription<T, F>>()
  /** Frames for those who are behind, by the offset of their first message. */
  readonly #frames = new Map<number, TopicFrame<F>>()
  #framesBytes = 0

  constructor(effects: TopicEffects<T, F>, id: number, name: string, { generation, last }: TopicHead) {
    this.#effects = effects
    this.id = id
    this.name = name
    this.generation = generation
    this.last = this.flushed = last
  }

  /** The log has grown, to this offset at least. @param entry the message there, if it is known */
  appended(offset: number, entry: TopicEntry | undefined): void {
    if (offset <= this.last && offset <= this.flushed + this.#pending.length) return
    if (entry && offset === this.flushed + this.#pending.length + 1) {
      this.#pending.push(entry)
      this.#pendingBytes += entry.data.length
    }
    this.last = Math.max(this.last, offset)
    // So much goes at once: before the log has to let go of it.
    if (this.#pending.length >= EAGER_MESSAGES || this.#pendingBytes >= EAGER_BYTES) this.flush()
    else this.#schedule()
  }

  /** The log has another history: all who read it are told so, and begin at its first message. */
  restarted({ generation, last }: TopicHead): void {
    this.generation = generation
    this.last = this.flushed = last
    this.#pending = []
    this.#pendingBytes = 0
    // What is being read belongs to the history before.
    this.#isOutdated = this.#readingAfter !== undefined
    this.forgetFrames()
    for (const subscription of this.members) {
      subscription.sent = subscription.confirmed = 0
      if (subscription.place >= 0) this.#welcome(subscription)
    }
  }

  /** A message that is not in the log: for those who can take it now. */
  publishVolatile(data: Payload, except: string | undefined): void {
    this.#volatile.push({ data, except, after: this.last })
    this.#volatileBytes += data.length
    if (this.#volatile.length < EAGER_MESSAGES && this.#volatileBytes < EAGER_BYTES) return this.#schedule()
    this.flush()
    // What is stored goes first, and cannot be read: there must not be more and more that waits for it.
    if (this.#volatile.length < EAGER_MESSAGES && this.#volatileBytes < EAGER_BYTES) return
    for (const { data } of this.#volatile.splice(0, this.#volatile.length / 2 + 1)) {
      this.#volatileBytes -= data.length
      this.dropped += this.#live.length
    }
  }

  /** Which offset a subscription begins behind. @returns `undefined` if there can be no such place */
  resolve(from: From, { generation, first, last }: TopicHead): number | undefined {
    if (from === 'now') return this.last
    if (from === 'first') return first - 1
    if ('last' in from) return Math.max(first - 1, last - from.last)
    // Of another history nothing is known here: all that there is comes, and the client knows that there is a hole.
    if (from.generation !== generation) return 0
    return from.offset > Math.max(last, this.last) ? undefined : from.offset
  }

  /** A session subscribes. It gets nothing before {@link enter}. */
  add(subscriber: Subscriber<T, F>, ref: number, after: number): Subscription<T, F> {
    const subscription = { topic: this, subscriber, ref, sent: after, confirmed: after, place: -1, isBehind: false }
    this.members.add(subscription)
    subscriber.subscriptions.push(subscription)
    return subscription
  }

  /** A session unsubscribes. */
  remove(subscription: Subscription<T, F>): void {
    this.leave(subscription)
    this.members.delete(subscription)
    const { subscriptions } = subscription.subscriber
    subscriptions.splice(subscriptions.indexOf(subscription), 1)
  }

  /** From here on, the session's connection gets what is behind an offset. */
  enter(subscription: Subscription<T, F>, after: number): void {
    this.leave(subscription)
    // So that it is not in the middle of a frame that is still to be made.
    this.flush()
    subscription.sent = after
    subscription.place = this.#live.push(subscription) - 1
    this.#welcome(subscription)
  }

  /** The session gets nothing more, until it enters again. */
  leave(subscription: Subscription<T, F>): void {
    const { place } = subscription
    this.#readers.delete(subscription)
    subscription.subscriber.forget(subscription)
    if (place < 0) return
    subscription.place = -1
    const moved = this.#live.pop()!
    if (moved === subscription) return
    this.#live[place] = moved
    moved.place = place
  }

  /** Whether all members certainly have all that there is. */
  get isWithAll(): boolean {
    for (const { place, sent, confirmed, subscriber } of this.members)
      if (confirmed < this.last && (place < 0 || sent < this.last || subscriber.inFlight)) return false
    return true
  }

  /** Offers what is new to all who are at the head. */
  flush(): void {
    this.#isScheduled = false
    while (this.flushed < this.last || this.#volatile.length) {
      const until = Math.min(this.#volatile[0]?.after ?? this.last, this.last)
      if (this.flushed >= until) this.#flushVolatile()
      else if (this.#pending.length) this.#flushPending(until)
      else {
        const slice = this.sliceAfter(this.flushed, undefined)
        if (!slice) return
        this.#flushSlice(slice)
      }
    }
  }

  /** For those who are behind. */
  sliceAfter(offset: number, reader: Subscription<T, F> | undefined): TopicSlice | undefined {
    const loaded = this.#loaded
    if (loaded && offset >= loaded.after && offset < loaded.slice.last) return loaded.slice
    if (this.#readingAfter === undefined) {
      const slice = this.#effects.read(this, offset)
      if (slice) return slice
      this.#readingAfter = offset
    }
    if (reader) this.#readers.add(reader)
    return
  }

  /** For those who are behind. */
  frameAfter(offset: number, slice: TopicSlice, room: Room, session: string): TopicFrame<F> {
    let frame = this.#frames.get(offset + 1)
    if (!frame) {
      const end = Math.min(this.flushed, slice.last, Math.floor(offset / FRAME_MESSAGES + 1) * FRAME_MESSAGES)
      frame = this.#encode(offset + 1, end, (next) => slice.at(next), MAX_BATCH_BYTES)
      this.#keep(offset + 1, frame)
    }
    if (frame.messages <= room.messages && frame.bytes <= room.bytes && !frame.excepts?.includes(session)) return frame
    // A part of it, for this one alone. The frame may be of a slice that goes on for longer.
    const last = Math.min(frame.last, slice.last)
    let end = offset + 1
    while (end < last && end - offset < room.messages && slice.at(end + 1).except !== session) end++
    return this.#encode(offset + 1, end, (next) => slice.at(next), room.bytes)
  }

  /** Messages behind `after` were read. */
  loaded(after: number, slice: TopicSlice): void {
    if (after !== this.#readingAfter) return
    if (!this.#isOutdated) this.#loaded = { after, slice }
    this.#proceed()
  }

  /** The log could not be read: whoever waits tries once more. */
  readFailed(after: number): void {
    if (after === this.#readingAfter) this.#proceed()
  }

  /** Lets go of frames that are kept for those who are behind. */
  forgetFrames(): void {
    this.#frames.clear()
    this.#framesBytes = 0
    this.#loaded = undefined
  }

  #proceed(): void {
    this.#readingAfter = undefined
    this.#isOutdated = false
    const readers = this.#readers
    this.#readers = new Set()
    this.flush()
    for (const reader of readers) reader.subscriber.catchUp(reader)
  }

  #welcome(subscription: Subscription<T, F>): void {
    const { subscriber, ref, sent } = subscription
    const { id, name, generation, last } = this
    // The log may be ahead of what is known of it here.
    const body = { ref, topic: name, id, generation, offset: sent, last: Math.max(sent, last) }
    this.#effects.transmit(subscriber.transport!, encodeSubbed(body))
    if (sent < this.flushed) subscriber.catchUp(subscription)
  }

  #flushPending(until: number): void {
    const pending = this.#pending
    const first = this.flushed + 1
    const end = Math.min(until, this.flushed + Math.min(pending.length, MAX_BATCH_MESSAGES))
    const frame = this.#live.length
      ? this.#encode(first, end, (offset) => pending[offset - first]!, MAX_BATCH_BYTES)
      : undefined
    const count = frame ? frame.messages : end - this.flushed
    this.#pending = count === pending.length ? [] : pending.slice(count)
    if (this.#pending.length)
      for (let index = 0; index < count; index++) this.#pendingBytes -= pending[index]!.data.length
    else this.#pendingBytes = 0
    this.flushed += count
    if (frame) this.#fanOut(first, frame)
  }

  /** What others have published, or what came in another order. */
  #flushSlice(slice: TopicSlice): void {
    const first = this.flushed + 1
    // A log that has let go of it already: all fall behind, and are told.
    if (slice.first > first || !this.#live.length) {
      this.flushed = Math.max(first, Math.min(this.last, slice.first > first ? slice.first - 1 : slice.last))
      for (const subscription of this.#live.slice()) subscription.subscriber.catchUp(subscription)
      return
    }
    const end = Math.min(this.last, slice.last, this.flushed + MAX_BATCH_MESSAGES)
    const frame = this.#encode(first, end, (offset) => slice.at(offset), MAX_BATCH_BYTES)
    this.flushed = frame.last
    this.#fanOut(first, frame)
  }

  #fanOut(first: number, { last, messages, bytes, frame, excepts }: TopicFrame<F>): void {
    const live = this.#live
    // From the end: one that leaves meanwhile is replaced by one that has had its turn.
    for (let place = live.length - 1; place >= 0; place--) {
      const subscription = live[place]!
      const { subscriber } = subscription
      if (
        subscription.sent === first - 1 &&
        !(excepts && excepts.includes(subscriber.session)) &&
        subscriber.take(messages, bytes)
      ) {
        subscription.sent = last
        subscriber.share(frame)
      } else if (!subscription.isBehind && subscription.sent < last) subscriber.catchUp(subscription)
    }
  }

  /** Those whose place has come. */
  #flushVolatile(): void {
    let due = 0
    while (due < this.#volatile.length && (this.#volatile[due]!.after <= this.flushed || this.flushed >= this.last))
      due++
    const all = this.#volatile.splice(0, due)
    for (const { data } of all) this.#volatileBytes -= data.length
    for (let from = 0, to; from < all.length; from = to) {
      const payloads: Payload[] = []
      let bytes = 0
      // Together, as far as they are for the same and of one kind.
      for (to = from; to < all.length && payloads.length < MAX_BATCH_MESSAGES; to++) {
        const { data, except } = all[to]!
        if (except !== all[from]!.except || typeof data !== typeof all[from]!.data) break
        if (payloads.length && bytes + data.length > MAX_BATCH_BYTES) break
        payloads.push(data)
        bytes += data.length
      }
      this.#fanOutVolatile(this.#effects.frame(encodeVolatile(this.id, payloads)), payloads.length, bytes, all[from]!)
    }
  }

  #fanOutVolatile(frame: F, messages: number, bytes: number, { except }: Volatile): void {
    for (let place = this.#live.length - 1; place >= 0; place--) {
      const { subscriber, sent } = this.#live[place]!
      if (subscriber.session === except) continue
      // Nothing overtakes what is stored, and nothing waits.
      if (sent >= this.flushed && subscriber.take(messages, bytes)) subscriber.share(frame)
      else this.dropped += messages
    }
  }

  /** As many of the messages as fit into one WebSocket message; at least one. */
  #encode(first: number, end: number, at: (offset: number) => TopicEntry, maxBytes: number): TopicFrame<F> {
    const payloads: Payload[] = []
    let excepts: string[] | undefined
    let bytes = 0
    let last = first - 1
    while (last < end) {
      const { data, except } = at(last + 1)
      if (last >= first && (bytes + data.length > maxBytes || typeof data !== typeof payloads[0])) break
      payloads.push(data)
      bytes += data.length
      if (except !== undefined) (excepts ??= []).push(except)
      last++
    }
    const frame = this.#effects.frame(encodeTopicData(this.id, first, payloads))
    return { last, messages: payloads.length, bytes, frame, excepts }
  }

  #keep(first: number, frame: TopicFrame<F>): void {
    this.#frames.set(first, frame)
    this.#framesBytes += frame.bytes
    for (const [oldest, { bytes }] of this.#frames) {
      if (this.#framesBytes <= MAX_FRAMES_BYTES || oldest === first) break
      this.#frames.delete(oldest)
      this.#framesBytes -= bytes
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#effects.schedule(this)
  }
}
