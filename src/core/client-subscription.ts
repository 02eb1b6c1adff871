import type { From, GapReason, Position } from '../protocol/frame.ts'
import { Delivery } from './delivery.ts'
import { TopicIncoming, type TopicGap } from './topic-incoming.ts'

/** Something other than a message that has its place between messages. */
export interface Mark {
  /** Which connection has brought it in a frame that counts in the window, as a message without bytes. */
  readonly connection?: number | undefined
  readonly gap?: TopicGap
  /** The application is to load what the topic stands for. */
  readonly snapshot?: GapReason | 'initial'
  /** Why the server has ended the subscription. */
  readonly ended?: string
  /** Where the subscription is, when this is done. */
  readonly position: Position | undefined
  failures: number
}

/** What subscriptions make their shell do. `S` is the shell's object for one. */
export interface ClientTopicEffects<S> {
  transmit(message: string): void
  /** @returns whether it has been handled; otherwise `handled` or `failed` of the subscription follows */
  deliverTopic(subscription: ClientSubscription<S>, message: TopicIncoming): boolean
  /** Have the application load what the topic stands for at the position; then `handled` or `failed` follows. */
  snapshot(subscription: ClientSubscription<S>, position: Position, reason: GapReason | 'initial'): void
  topicGap(subscription: ClientSubscription<S>, gap: TopicGap): void
  /** The server has said where the subscription begins or goes on. */
  subscribed(subscription: ClientSubscription<S>): void
  /** The server has ended it. */
  unsubscribed(subscription: ClientSubscription<S>, reason: string): void
  /** The session is over, and the subscription with it. */
  over(subscription: ClientSubscription<S>): void
  /** The shell's object for a subscription that the server has made. */
  adopt(subscription: ClientSubscription<S>): S
}

/** What all subscriptions share. */
export interface SubscriptionOwner<S> {
  readonly effects: ClientTopicEffects<S>
  /** So many more, or less, messages and bytes wait. */
  held(messages: number, bytes: number): void
  /** So many more, or less, marks wait that take no room in the window. */
  marked(count: number): void
  /** Nobody needs them any more, that this connection has brought. */
  taken(messages: number, bytes: number, connection: number): void
  /** Something has left the queue. */
  moved(subscription: ClientSubscription<S>): void
  /** All that came before the server has ended it is handed over. */
  finished(subscription: ClientSubscription<S>, reason: string): void
}

export type SubscriptionState = 'waiting' | 'subscribed' | 'ended'

/** The client's place in a topic. */
export class ClientSubscription<S> extends Delivery<TopicIncoming | Mark> {
  readonly ref: number
  readonly topic: string
  /** The shell's object. */
  owner!: S
  state: SubscriptionState = 'waiting'
  /** The application is done with all up to here. */
  position: Position | undefined
  /** Has been received up to here. */
  received: Position | undefined
  /** It takes nothing more until what waits has become less. */
  isPaused = false
  /** The server has said on this connection where it goes on, and has not been told to pause since. */
  isFlowing = false
  /** The application wants no more of it. */
  isDropped = false
  hasSnapshot = false
  /** Messages that wait, the one that is being handled included, and their bytes. */
  heldMessages = 0
  heldBytes = 0
  /** Messages up to here are in what the application has loaded. */
  #coveredBy: Position | undefined
  #isCredited = false
  readonly #from: From
  readonly #topics: SubscriptionOwner<S>

  constructor(topics: SubscriptionOwner<S>, ref: number, topic: string, from: From) {
    super()
    this.#topics = topics
    this.ref = ref
    this.topic = topic
    this.#from = from
  }

  /** Where it goes on. */
  get from(): From {
    return this.received ?? this.#from
  }

  /** The position that it goes on behind, if that is known here. */
  get behind(): Position | undefined {
    const { from } = this
    return typeof from === 'object' && 'offset' in from ? from : undefined
  }

  push(item: TopicIncoming | Mark): void {
    this.#hold(item, 1)
    this.queue.push(item)
  }

  /** It is about to load something anyway: once is enough. */
  forgetSnapshot(): void {
    const last = this.queue.at(-1)
    if (last && !(last instanceof TopicIncoming) && last.snapshot && !(this.isHandling && this.queue.length < 2))
      this.#release(this.queue.pop()!)
  }

  /** Lets go of all that waits beyond so much, and goes back to where that begins. */
  truncate(messages: number, bytes: number): void {
    const { queue } = this
    const least = this.isHandling || messages ? 1 : 0
    while (queue.length > least && (this.heldMessages > messages || this.heldBytes > bytes)) this.#release(queue.pop()!)
    let { position } = this
    for (const item of queue) position = item.position ?? position
    this.received = position
  }

  /** What waits takes no room in the window any more. */
  credit(): void {
    for (const item of this.queue)
      if (item.connection !== undefined) this.#topics.taken(1, bytesOf(item), item.connection)
    this.#isCredited = true
  }

  #release(item: TopicIncoming | Mark): void {
    this.#hold(item, -1)
    if (item.connection !== undefined && !this.#isCredited) this.#topics.taken(1, bytesOf(item), item.connection)
  }

  #hold(item: TopicIncoming | Mark, sign: 1 | -1): void {
    if (item.connection === undefined) return this.#topics.marked(sign)
    const bytes = sign * bytesOf(item)
    this.heldMessages += sign
    this.heldBytes += bytes
    this.#topics.held(sign, bytes)
  }

  /** What is not stored is not handed over again either. */
  override failed(now: number): void {
    const [item] = this.queue
    if (item instanceof TopicIncoming && !item.position) this.handled()
    else super.failed(now)
  }

  /** The application has loaded what the topic stands for at this position: messages up to it are left out. */
  covered(position: Position): void {
    this.#coveredBy = position
  }

  protected override hand(item: TopicIncoming | Mark): boolean {
    if (item instanceof TopicIncoming) return this.#isCovered(item) || this.#topics.effects.deliverTopic(this, item)
    if (item.snapshot) {
      this.#topics.effects.snapshot(this, item.position!, item.snapshot)
      return false
    }
    this.handled()
    if (item.gap) this.#topics.effects.topicGap(this, item.gap)
    if (item.ended !== undefined) this.#topics.finished(this, item.ended)
    return false
  }

  protected override done(item: TopicIncoming | Mark): void {
    this.position = item.position ?? this.position
    this.#release(item)
    this.#topics.moved(this)
  }

  #isCovered({ position }: TopicIncoming): boolean {
    const by = this.#coveredBy
    return !!by && !!position && by.generation === position.generation && position.offset <= by.offset
  }
}

const bytesOf = (item: TopicIncoming | Mark): number => (item instanceof TopicIncoming ? item.data.length : 0)
