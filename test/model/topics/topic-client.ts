import type { ClientSubscription } from '../../../src/core/client-subscription.ts'
import type { TopicGap, TopicIncoming } from '../../../src/core/topic-incoming.ts'
import type { From, GapReason, Position } from '../../../src/protocol/frame.ts'
import type { TopicInfo } from '../../../src/stores/store.ts'
import { ClientProcess, type ClientSettings } from '../sessions/client-process.ts'
import type { EventQueue } from '../sessions/event-queue.ts'
import type { HandlerPlan } from '../sessions/handler.ts'
import { nameOf } from '../sessions/simulation.ts'
import type { NetworkState, Wire } from '../sessions/wire.ts'
import type { Truth } from './truth.ts'

/** How an application takes what comes for a subscription. */
export interface SubscriptionPlan {
  readonly handler: HandlerPlan
  /** How long a snapshot takes, and how many messages behind its position it covers; `undefined`: there is none. */
  readonly snapshot: { readonly takesMs: number; readonly covers: number; readonly fails: boolean } | undefined
}

/** What a client asks those who see all. */
export interface Witness {
  readonly queue: EventQueue
  readonly truth: Truth
  head(topic: string): TopicInfo
  /** Where the application wants what the server makes to begin. */
  madeFrom(client: string, topic: string): From | undefined
  /** The server may know less than is in the store. */
  readonly isFar: boolean
}

type Core = ClientSubscription<ModelSubscription>

/** A subscription as its application has it. It knows what was published, and checks each thing that comes as it comes. */
export class ModelSubscription {
  readonly topic: string
  core!: Core
  /** The application has had all up to here, or was told what is missing. */
  cursor: Position | undefined
  /** What the server has said at its end. */
  ended: string | undefined
  isUnsubscribed = false
  gaps = 0
  messages = 0
  readonly #client: TopicClient
  readonly #plan: SubscriptionPlan
  readonly #from: From | undefined
  readonly #headBefore: TopicInfo
  /** The server makes it for the first time, and from the beginning. */
  readonly #isFirstMade: boolean
  #deliveries = 0
  #isHandling = false
  #stalled: (() => void)[] | undefined
  #covered: Position | undefined
  #lastVolatile = -1
  #wantsSnapshot: boolean

  /** @param from `undefined` if the server has made it */
  constructor(client: TopicClient, topic: string, from: From | undefined, plan: SubscriptionPlan) {
    this.#client = client
    this.topic = topic
    this.#from = from
    this.#plan = plan
    this.#wantsSnapshot = this.#hasSnapshot
    this.#headBefore = client.witness.head(topic)
    const wasMade = client.subscriptions.some((other) => other.topic === topic && !other.core.ref)
    this.#isFirstMade = !wasMade && client.witness.madeFrom(client.name, topic) === 'first'
    if (typeof from === 'object' && 'offset' in from) this.cursor = from
  }

  get #hasSnapshot(): boolean {
    return this.#plan.snapshot !== undefined && this.#from !== undefined
  }

  /** Its handler does not come to an end. */
  stall(): void {
    this.#stalled ??= []
  }

  get isStalled(): boolean {
    return this.#stalled !== undefined
  }

  release(): void {
    const stalled = this.#stalled ?? []
    this.#stalled = undefined
    for (const go of stalled) go()
  }

  /** All that is behind the cursor, up to here, was for others, or is in a snapshot. */
  isAt(offset: number): boolean {
    const { generation, offset: from } = this.cursor!
    const log = this.#client.witness.truth.log(this.topic, generation)
    for (let next = from + 1; next <= offset; next++) {
      const { except } = log[next] ?? this.#fail(`there is no message ${next}`)
      const isCovered = this.#covered?.generation === generation && next <= this.#covered.offset
      if (!isCovered && !(except !== undefined && this.#client.ids.has(except))) return false
    }
    return true
  }

  deliver(message: TopicIncoming): boolean {
    if (this.isUnsubscribed) this.#fail('a message after unsubscribe()')
    if (this.ended !== undefined) this.#fail('a message after the end')
    if (this.#isHandling) this.#fail('two messages at a time')
    if (this.#wantsSnapshot) this.#fail('a message before the snapshot')
    this.#check(message)
    const { handler } = this.#plan
    const plan = handler[this.#deliveries++ % handler.length]!
    if (plan === 'at once' && !this.#stalled) {
      this.#took(message)
      return true
    }
    this.#isHandling = true
    const finish = (): void => {
      this.#client.process.run(() => {
        this.#isHandling = false
        const { core } = this.#client.process
        if (plan === 'fails') return core.topicFailed(this.#client.witness.queue.now, this.core)
        this.#took(message)
        core.topicHandled(this.#client.witness.queue.now, this.core)
      })
    }
    const wait = plan === 'fails' || plan === 'at once' ? 1 : plan
    const go = (): void => this.#client.witness.queue.after(wait, finish)
    if (this.#stalled) this.#stalled.push(go)
    else go()
    return false
  }

  subscribed(): void {
    const { received } = this.core
    if (this.cursor) return
    this.cursor = received!
    this.#checkStart(received!)
  }

  snapshot(position: Position, reason: GapReason | 'initial'): void {
    if (!this.#wantsSnapshot) this.#fail(`a snapshot (${reason}) that nothing asks for`)
    if (!this.isAt(position.offset) || position.generation !== this.cursor!.generation)
      this.#fail(`a snapshot at ${position.offset}`)
    const { takesMs, covers, fails } = this.#plan.snapshot!
    const { witness, process } = this.#client
    witness.queue.after(takesMs, () =>
      process.run(() => {
        if (fails && this.#deliveries++ % 2 === 0) return process.core.topicFailed(witness.queue.now, this.core)
        const { generation, last } = witness.head(this.topic)
        const offset = Math.min(last, position.offset + covers)
        if (covers && generation === position.generation && offset > position.offset) {
          this.#covered = { generation, offset }
          this.core.covered(this.#covered)
        }
        this.#wantsSnapshot = false
        process.core.topicHandled(witness.queue.now, this.core)
      }),
    )
  }

  gap({ generation, from, to, reason }: TopicGap): void {
    if (this.isUnsubscribed) this.#fail('a gap after unsubscribe()')
    const cursor = this.cursor!
    if (generation !== cursor.generation) this.#fail(`a gap in ${generation}`)
    if (from <= cursor.offset || !this.isAt(from - 1)) this.#fail(`a gap from ${from}`)
    const head = this.#client.witness.head(this.topic)
    if (to === undefined) {
      if (reason !== 'generation') this.#fail(`an open gap: ${reason}`)
      const { position } = this.core
      if (position!.generation === generation || position!.offset) this.#fail('a gap to the same generation')
      this.cursor = position!
    } else {
      if (reason !== 'overflow') this.#fail(`a gap: ${reason}`)
      // Nothing that is still there is given up.
      if (to < from || (generation === head.generation && to >= head.first)) this.#fail(`a gap from ${from} to ${to}`)
      this.cursor = { generation, offset: to }
    }
    this.gaps++
    this.#wantsSnapshot = this.#hasSnapshot
  }

  /** The server has ended it. */
  end(reason: string): void {
    if (this.isUnsubscribed) this.#fail('an end after unsubscribe()')
    this.ended = reason
  }

  #check({ data, position }: TopicIncoming): void {
    const { witness, ids } = this.#client
    const name = nameOf(data)
    if (!position) {
      const { topic, except, at } = witness.truth.volatile.get(name) ?? this.#fail(`${name} is not volatile`)
      if (topic !== this.topic || (except !== undefined && ids.size === 1 && ids.has(except)))
        this.#fail(`${name} is for others`)
      const number = Number(name.split(' ')[1])
      if (number <= this.#lastVolatile) this.#fail(`${name} after ${this.#lastVolatile}`)
      this.#lastVolatile = number
      if (at && at.generation === this.cursor!.generation && !this.isAt(at.offset))
        this.#fail(`${name} has overtaken what is stored`)
      return
    }
    const { generation, offset } = position
    const cursor = this.cursor!
    if (generation !== cursor.generation) this.#fail(`${offset} of another generation`)
    if (offset <= cursor.offset) this.#fail(`${offset} behind ${cursor.offset}`)
    if (!this.isAt(offset - 1)) this.#fail(`${offset} comes after ${cursor.offset}`)
    const stored = witness.truth.log(this.topic, generation)[offset] ?? this.#fail(`there is no message ${offset}`)
    if (stored.name !== name) this.#fail(`${offset} is ${stored.name}, not ${name}`)
    if (stored.except !== undefined && ids.size === 1 && ids.has(stored.except)) this.#fail(`${offset} is for others`)
  }

  #took({ position }: TopicIncoming): void {
    this.messages++
    if (position) this.cursor = position
  }

  /** It begins between where it had to when it was asked for, and where it would have to by now. */
  #checkStart({ generation, offset }: Position): void {
    const before = this.#headBefore
    const now = this.#client.witness.head(this.topic)
    const from = this.#from
    if (from === undefined && this.#isFirstMade && generation === now.generation && offset >= now.first)
      this.#fail(`begins behind ${offset}, not before all`)
    if (from === undefined || generation !== before.generation || generation !== now.generation) return
    const start = ({ first, last }: TopicInfo): number => {
      if (from === 'now') return last
      if (from === 'first') return first - 1
      return 'last' in from ? Math.max(first - 1, last - from.last) : from.offset
    }
    const isBefore = offset < start(before) && !(this.#client.witness.isFar && from === 'now')
    if (isBefore || offset > start(now)) this.#fail(`begins behind ${offset}`)
  }

  #fail(what: string): never {
    const { ref } = this.core
    throw new Error(`client ${this.#client.name}, ${this.topic} (${ref}), at ${this.cursor?.offset}: ${what}`)
  }
}

/** A client with subscriptions, in virtual time. */
export class TopicClient {
  readonly name: string
  readonly process: ClientProcess
  readonly witness: Witness
  /** All that there ever were, oldest first. */
  readonly subscriptions: ModelSubscription[] = []
  /** Names of its sessions. */
  readonly ids = new Set<string>()
  readonly #plan: SubscriptionPlan

  constructor(
    witness: Witness,
    network: NetworkState,
    name: string,
    settings: ClientSettings,
    plan: SubscriptionPlan,
    random: () => number,
    connect: (wire: Wire) => void,
  ) {
    this.witness = witness
    this.name = name
    this.#plan = plan
    const owner = (core: Core): ModelSubscription => core.owner
    this.process = new ClientProcess(witness.queue, network, settings, random, connect, {
      auth: name,
      topics: {
        deliverTopic: (core: Core, message) => this.#seen(() => owner(core).deliver(message)),
        snapshot: (core: Core, position, reason) => owner(core).snapshot(position, reason),
        topicGap: (core: Core, gap) => this.#seen(() => owner(core).gap(gap)),
        subscribed: (core: Core) => this.#seen(() => owner(core).subscribed()),
        unsubscribed: (core: Core, reason) => owner(core).end(reason),
        over: () => {},
        adopt: (core: Core) => this.#add(new ModelSubscription(this, core.topic, undefined, plan), core),
      },
    })
  }

  /** Those that are not over, of the application or of the server. */
  get live(): ModelSubscription[] {
    return this.subscriptions.filter(({ isUnsubscribed, ended }) => !isUnsubscribed && ended === undefined)
  }

  get isOpen(): boolean {
    return !this.process.isDead && this.process.core.state === 'open'
  }

  subscribe(topic: string, from: From): void {
    const { core } = this.process
    if (this.process.isDead || core.topics.has(topic)) return
    const subscription = new ModelSubscription(this, topic, from, this.#plan)
    const made = core.subscribe(topic, from, this.#plan.snapshot !== undefined)
    if (made) {
      made.owner = this.#add(subscription, made)
    }
  }

  /** Ends one of the application's own. */
  unsubscribe(which: number): void {
    const own = this.live.filter(({ core }) => core.ref)
    const subscription = own[which % own.length]
    if (!subscription) return
    subscription.isUnsubscribed = true
    this.process.core.topics.unsubscribe(subscription.core)
  }

  #add(subscription: ModelSubscription, core: Core): ModelSubscription {
    subscription.core = core
    this.subscriptions.push(subscription)
    return subscription
  }

  #seen<T>(act: () => T): T {
    const { id } = this.process.core
    if (id !== undefined) this.ids.add(id)
    return act()
  }
}
