import type { ClientSubscription, SubscriptionState } from '../core/client-subscription.ts'
import type { HeartlineError } from '../core/error.ts'
import type { TopicGap, TopicIncoming } from '../core/topic-incoming.ts'
import { checkListener, Emitter } from '../host/emitter.ts'
import type { GapReason, Position } from '../protocol/frame.ts'
import type { GapEvent, TopicMessage } from './events.ts'
import { Handover } from './handover.ts'
import { iterate } from './iterate.ts'

/** What a snapshot hook is told. */
export interface SnapshotContext {
  readonly topic: string
  /**
   * Messages behind it follow when the hook's promise has resolved. What is loaded must not be older than this: what lies
   * between would be missing, and nobody would say so.
   */
  readonly position: Position
  /** `initial` the first time, else why messages are missing. */
  readonly reason: GapReason | 'initial'
}

export interface SubscriptionEventMap {
  message: TopicMessage
  /** The server has said where the subscription begins; on later connections, that it goes on. */
  subscribed: { readonly position: Position }
  /** Messages that cannot be delivered any more; it comes in their place. */
  gap: GapEvent
  /**
   * The server has refused or ended the subscription: `unauthorized`; `limit`, there are too many; `position`, there is no such
   * place; `unsubscribed`, by the server's application; `replaced`, by another subscription to the topic.
   */
  ended: { readonly reason: string }
  /**
   * A `message` listener or the `snapshot` hook has failed (`ERR_HANDLER`); it is called again. Without a listener here it is
   * the session's `error`; without one there either, it is reported like an uncaught exception, which ends a Node process.
   */
  error: HeartlineError
}

/** What a subscription asks its session. */
export interface SubscriptionHost {
  handled(subscription: ClientSubscription<TopicReceiver>): void
  failed(subscription: ClientSubscription<TopicReceiver>, error: HeartlineError, isHeard: boolean): void
  unsubscribe(subscription: ClientSubscription<TopicReceiver>, isWaiting: boolean): void
  /** The server has ended a subscription, and nobody has listened. */
  unheard(topic: string, reason: string): void
  gapEvent(topic: string, gap: TopicGap): GapEvent
}

/** Who takes what comes for a topic. */
export interface TopicReceiver {
  deliver(message: TopicIncoming): boolean
  snapshot(position: Position, reason: GapReason | 'initial'): void
  gap(gap: TopicGap): void
  subscribed(): void
  ended(reason: string): void
  /** The session is over. */
  over(): void
}

const EVENTS = ['message', 'subscribed', 'gap', 'ended', 'error']

/** A client's subscription to a topic, over any number of connections and sessions. Made by `session.subscribe()`. */
export class Subscription {
  readonly #core: ClientSubscription<TopicReceiver>
  readonly #host: SubscriptionHost
  readonly #emitter = new Emitter<SubscriptionEventMap>()
  readonly #handover: Handover<TopicIncoming>
  readonly #over: Promise<void>
  #resolveOver!: () => void

  /** @internal Made by the session. */
  constructor(
    core: ClientSubscription<TopicReceiver>,
    host: SubscriptionHost,
    snapshot: ((context: SnapshotContext) => unknown) | undefined,
  ) {
    this.#core = core
    this.#host = host
    const emitter = this.#emitter
    this.#over = new Promise((resolve) => (this.#resolveOver = resolve))
    this.#handover = new Handover<TopicIncoming>(
      (message) => emitter.hand('message', topicMessage(message)),
      () => emitter.count('message') > 0,
      () => host.handled(core),
      (error) => {
        host.failed(core, error, emitter.count('error') > 0)
        emitter.emit('error', error)
      },
    )
    core.owner = {
      deliver: (message) => this.#handover.deliver(message),
      snapshot: (position, reason) => {
        const context = { topic: core.topic, position, reason }
        this.#handover.settle(async () => {
          const covered = await snapshot!(context)
          if (!isPosition(covered)) return
          const { generation, offset } = covered
          // An old copy, from a cache perhaps. What it lacks would be missing, and nobody would be told.
          if (generation === position.generation && offset < position.offset)
            throw new Error(`It stands for offset ${offset}; what follows is behind ${position.offset}.`)
          core.covered(covered)
        }, `The snapshot of ${core.topic} could not be used; it is asked for again.`)
      },
      gap: (gap) => emitter.emit('gap', host.gapEvent(core.topic, gap)),
      subscribed: () => emitter.emit('subscribed', { position: core.received! }),
      ended: (reason) => {
        this.#resolveOver()
        if (!emitter.count('ended')) host.unheard(core.topic, reason)
        emitter.emit('ended', { reason })
      },
      over: () => this.#resolveOver(),
    }
  }

  /** The topic's name. */
  get topic(): string {
    return this.#core.topic
  }

  /** `waiting` for the server, `subscribed`, or `ended`. */
  get state(): SubscriptionState {
    return this.#core.state
  }

  /**
   * The application is done with all up to here. With it as `from`, another session goes on where this one was. `undefined`
   * before the server has answered. A volatile message does not change it.
   */
  get position(): Position | undefined {
    return this.#core.position
  }

  /**
   * Adds a listener. The next message of this topic is delivered when the promise that a `message` listener returns has
   * resolved; until there is such a listener, messages wait. If it rejects, the message is delivered again, after 1 s, then
   * 2, 4, … 30 s, and all messages of the topic behind it wait; a volatile one is not delivered again.
   *
   * @returns a function that takes the listener away
   * @throws HeartlineError `ERR_OPTION`
   */
  on<Type extends keyof SubscriptionEventMap>(
    type: Type,
    listener: (event: SubscriptionEventMap[Type]) => unknown,
  ): () => void {
    checkListener(type, listener, EVENTS)
    const off = this.#emitter.on(type, listener)
    if (type === 'message') this.#handover.listened()
    return off
  }

  /**
   * The messages, one by one: each counts as handled when the next one is asked for, or the loop is left. The loop ends with
   * the subscription.
   */
  [Symbol.asyncIterator](): AsyncGenerator<TopicMessage, void, void> {
    return iterate<TopicMessage>((listener) => this.on('message', listener), this.#over)
  }

  /** Ends the subscription: from now on no listener gets a message. Without effect if it has ended. */
  unsubscribe(): void {
    this.#host.unsubscribe(this.#core, this.#handover.forget())
    this.#resolveOver()
  }

  [Symbol.dispose](): void {
    this.unsubscribe()
  }
}

/** What the application gets of a message. */
export function topicMessage({ data, topic, position, id, failures }: TopicIncoming): TopicMessage {
  return { data, topic, position, id, redelivered: failures > 0 }
}

const isPosition = (value: unknown): value is Position =>
  typeof (value as Position | undefined)?.generation === 'string' && typeof (value as Position).offset === 'number'
