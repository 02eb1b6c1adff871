import { numberOptions } from '../core/option.ts'
import { checkListener } from '../host/emitter.ts'
import type { Payload, Position } from '../protocol/frame.ts'
import type { TopicSlice } from '../core/subscriber.ts'
import type { MaybePromise, TopicInfo } from '../stores/store.ts'
import type { Identity } from './identity.ts'
import type { Session } from './session.ts'

/** Options of `publish()`. */
export interface PublishOptions<I extends Identity = Identity> {
  /**
   * A session that does not get it, or its id: not now, and not when it comes back. Another session of the same client does.
   * @default nobody
   */
  except?: Session<I> | string
  /**
   * It is not stored: it goes to those who are connected and keep up, and is dropped for others, who are told nothing (see
   * `dropped` of `server.stats`). For what is worthless a second later, such as the place of a cursor. @default false
   */
  volatile?: boolean
}

/** A message in the history of a topic. */
export interface HistoryMessage {
  /** Text, or bytes. */
  readonly data: Payload
  /** Its place in the topic; the first message of a generation has 1. */
  readonly offset: number
}

/** Who is there. A session is told of once, whoever has subscribed it: the client or the server. */
export interface TopicEventMap<I extends Identity = Identity> {
  /** A session has subscribed. */
  join: { readonly session: Session<I> }
  /** It has unsubscribed, was unsubscribed, said goodbye or expired. */
  leave: { readonly session: Session<I> }
  /** Its connection is gone; it may come back, and is a member meanwhile. */
  away: { readonly session: Session<I> }
  /** It gets messages again, over a new connection. */
  back: { readonly session: Session<I> }
}

export const topicEvents = ['join', 'leave', 'away', 'back'] as const

const historyRules = { after: [0, 0, Infinity], last: [Infinity, 0, Infinity] } as const

/** @internal What a topic asks its server. */
export interface TopicOwner<I extends Identity> {
  publish(
    topic: string,
    data: string | ArrayBuffer | ArrayBufferView,
    options?: PublishOptions<I>,
  ): Promise<Position | undefined>
  readonly topics: {
    count(topic: string): number
    info(topic: string): MaybePromise<TopicInfo>
    read(topic: string, after: number): MaybePromise<TopicSlice>
    members(topic: string): { readonly session: Session<I>; readonly isAway: boolean }[]
    on<Type extends keyof TopicEventMap<I>>(
      topic: string,
      type: Type,
      listener: (event: TopicEventMap<I>[Type]) => unknown,
    ): () => void
  }
}

/** A topic of a server: its log, and who has subscribed to it. Made by `server.topic()`. */
export class Topic<I extends Identity = Identity> {
  /** The topic's name. */
  readonly name: string
  readonly #owner: TopicOwner<I>

  /** @internal Made by the server. */
  constructor(owner: TopicOwner<I>, name: string) {
    this.#owner = owner
    this.name = name
  }

  /** How many sessions of this process have subscribed, connected or not. */
  get subscribers(): number {
    return this.#owner.topics.count(this.name)
  }

  /**
   * The same as `server.publish()` with this topic.
   *
   * @throws HeartlineError `ERR_OPTION`
   */
  publish(data: string | ArrayBuffer | ArrayBufferView, options?: PublishOptions<I>): Promise<Position | undefined> {
    return this.#owner.publish(this.name, data, options)
  }

  /**
   * What is kept now: generation, offsets of the first and the last message, how many messages and bytes. Where nothing is
   * kept, `first` is one more than `last`. Rejects with `ERR_STORE`.
   */
  async info(): Promise<TopicInfo> {
    return this.#owner.topics.info(this.name)
  }

  /**
   * Messages that are kept, the oldest first. Rejects with `ERR_STORE` or `ERR_OPTION`.
   *
   * @param options.after only those behind this offset, 0 to Infinity. @default 0
   * @param options.last at most so many, the newest, 0 to Infinity. @default Infinity
   */
  async history(options: { after?: number; last?: number } = {}): Promise<HistoryMessage[]> {
    const { topics } = this.#owner
    const { after, last: count } = numberOptions('', options, historyRules)
    const info = await topics.info(this.name)
    let next = Math.max(after + 1, info.first, info.last - count + 1)
    const messages: HistoryMessage[] = []
    while (next <= info.last) {
      const slice = await topics.read(this.name, next - 1)
      next = Math.max(next, slice.first)
      if (next > slice.last) break
      for (; next <= Math.min(slice.last, info.last); next++) messages.push({ data: slice.at(next).data, offset: next })
    }
    return messages
  }

  /** Sessions of this process that have subscribed, and whether their connection is gone at the moment. */
  members(): { readonly session: Session<I>; readonly isAway: boolean }[] {
    return this.#owner.topics.members(this.name)
  }

  /**
   * Adds a listener for what becomes of the topic's members from now on.
   *
   * @returns a function that takes the listener away
   * @throws HeartlineError `ERR_OPTION`
   */
  on<Type extends keyof TopicEventMap<I>>(
    type: Type,
    listener: (event: TopicEventMap<I>[Type]) => unknown,
  ): () => void {
    checkListener(type, listener, topicEvents)
    return this.#owner.topics.on(this.name, type, listener)
  }
}
