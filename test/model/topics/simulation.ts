import type { From, Payload } from '../../../src/protocol/frame.ts'
import { memoryStore } from '../../../src/stores/memory.ts'
import type { Retention } from '../../../src/stores/store.ts'
import type { ClientSettings } from '../sessions/client-process.ts'
import { EventQueue } from '../sessions/event-queue.ts'
import { ServerProcess, type SimulatedSession } from '../sessions/server-process.ts'
import { randomFrom } from '../sessions/simulation.ts'
import { StoreFront } from '../sessions/store-front.ts'
import type { NetworkState, Side, Wire } from '../sessions/wire.ts'
import { TopicClient, type ModelSubscription, type SubscriptionPlan } from './topic-client.ts'
import { TopicServer, type Wishes } from './topic-server.ts'
import { TopicStore, type TopicStoreTrouble } from './topic-store.ts'
import { Truth } from './truth.ts'
import { withVirtualTimers } from './virtual-timers.ts'

/** Where a subscription begins, as far as that can be said before there is a topic. */
export type Start = 'now' | 'first' | { readonly last: number } | { readonly back: number } | 'elsewhere' | 'beyond'

/** Clients and topics are given by numbers, modulo how many there are. */
export type TopicStep =
  | {
      readonly kind: 'publish'
      readonly topic: number
      readonly count: number
      readonly size: number
      /** The client that does not get it. */
      readonly except: number | undefined
    }
  | { readonly kind: 'volatile'; readonly topic: number; readonly count: number; readonly except: number | undefined }
  | { readonly kind: 'toSubject'; readonly subject: number; readonly count: number }
  | { readonly kind: 'inbox'; readonly count: number }
  | { readonly kind: 'subscribe'; readonly client: number; readonly topic: number; readonly start: Start }
  | { readonly kind: 'serverSubscribes'; readonly client: number; readonly topic: number; readonly start: Start }
  | {
      readonly kind: 'serverUnsubscribes' | 'cut' | 'stall' | 'unsubscribe'
      readonly client: number
      readonly topic: number
    }
  | { readonly kind: 'halfOpen'; readonly client: number; readonly to: Side }
  | { readonly kind: 'cutAll' | 'join' | 'storeRestarts' | 'release' }
  | { readonly kind: 'leave'; readonly client: number }
  | { readonly kind: 'network'; readonly delayMs: number }
  | { readonly kind: 'down'; readonly isDown: boolean }
  | { readonly kind: 'freeze'; readonly client: number | undefined; readonly forMs: number }
  | { readonly kind: 'clog'; readonly forMs: number }
  | { readonly kind: 'restart'; readonly keepsStore: boolean }
  | { readonly kind: 'revoke'; readonly topic: number; readonly isRevoked: boolean }
  | { readonly kind: 'readsFail'; readonly count: number }

export interface TopicSchedule {
  /** For all that is random inside. */
  readonly seed: number
  readonly clients: number
  readonly topics: number
  /** With long names there is no room for all of them in HELLO. */
  readonly nameLength?: number
  readonly window: ClientSettings['window']
  readonly plans: readonly SubscriptionPlan[]
  readonly retention: Retention
  /** Time to the store and back again; `undefined`: it is in the process. */
  readonly storeDelayMs: number | undefined
  readonly authorizeMs: number | undefined
  readonly delayMs: number
  readonly ttlMs: number
  /** Before the first step, so many subscriptions of clients, from the beginning. */
  readonly subscriptions: number
  /** Handlers that stall do so to the end: what is not behind them has to come to rest all the same. */
  readonly staysStalled?: boolean
  readonly steps: readonly { readonly afterMs: number; readonly step: TopicStep }[]
}

export interface TopicOutcome {
  readonly schedule: TopicSchedule
  readonly clients: readonly TopicClient[]
  readonly server: TopicServer
  readonly wishes: Wishes
  readonly truth: Truth
  /** All that was said of protocol violations. */
  readonly violations: readonly string[]
  head(topic: string): { readonly generation: string; readonly last: number }
}

const REST_STEP_MS = 5_000
const MIN_REST_MS = 20_000
const MAX_REST_MS = 4_000_000
/** Nothing takes so many events: a run that does is going round in circles. */
const MAX_EVENTS = 1_500_000
/** Enough turns of the microtask queue for what one event of a store that is far away leads to. */
const MICROTASKS = 16

const SIDES = ['client', 'server'] as const
const INBOX_WINDOW = { messages: 1_000, bytes: 262_144 }

/** Plays a schedule: clients, a server with its topics, a store, and a network between them that fails. */
export async function simulateTopics(schedule: TopicSchedule): Promise<TopicOutcome> {
  const queue = new EventQueue()
  return await withVirtualTimers(queue, () => new Simulation(schedule, queue).play())
}

class Simulation {
  readonly #schedule: TopicSchedule
  readonly #queue: EventQueue
  readonly #random: () => number
  readonly #network: NetworkState
  readonly #trouble: TopicStoreTrouble
  readonly #truth = new Truth()
  readonly #wishes: Wishes
  readonly #clients: TopicClient[] = []
  readonly #history: SimulatedSession[] = []
  readonly #violations: string[] = []
  #sessionStore = memoryStore()
  #topicStore = memoryStore()
  #store!: TopicStore
  #server!: TopicServer
  #names = 0
  #events = 0

  constructor(schedule: TopicSchedule, queue: EventQueue) {
    this.#schedule = schedule
    this.#queue = queue
    this.#random = randomFrom(schedule.seed)
    this.#network = { delayMs: schedule.delayMs, isDown: false }
    this.#trouble = { delayMs: schedule.storeDelayMs, readFailures: 0 }
    const { retention, authorizeMs } = schedule
    this.#wishes = { revoked: new Set(), made: new Map(), authorizeMs, retention }
  }

  async play(): Promise<TopicOutcome> {
    const { clients, topics, subscriptions, steps } = this.#schedule
    this.#startServer()
    for (let index = 0; index < clients; index++) this.#join()
    for (let index = 0; index < subscriptions; index++)
      this.#clients[index % clients]!.subscribe(this.#topic(Math.floor(this.#random() * topics)), 'now')
    for (const { afterMs, step } of steps) {
      await this.#runUntil(this.#queue.now + afterMs)
      this.#play(step)
      await this.#settle()
    }
    await this.#rest()
    const { truth, violations } = { truth: this.#truth, violations: this.#violations }
    return {
      schedule: this.#schedule,
      clients: this.#clients,
      server: this.#server,
      wishes: this.#wishes,
      truth,
      violations: [...violations, ...this.#server.process.violations],
      head: (topic) => this.#store.head(topic),
    }
  }

  /** Faults are over: everything has to come to rest. */
  async #rest(): Promise<void> {
    this.#network.isDown = false
    this.#network.delayMs = Math.min(this.#network.delayMs, 200)
    this.#trouble.readFailures = 0
    if (!this.#schedule.staysStalled) this.#releaseAll()
    const from = this.#queue.now
    const isNotYet = (): boolean => this.#queue.now < from + MAX_REST_MS && !this.#isAtRest()
    do {
      do await this.#runUntil(this.#queue.now + REST_STEP_MS)
      while (this.#queue.now < from + MIN_REST_MS || isNotYet())
      // What was said last is heard; and a store may still have to answer before something else begins.
      await this.#runUntil(this.#queue.now + REST_STEP_MS)
    } while (isNotYet())
  }

  #isAtRest(): boolean {
    return this.#clients.every((client) => {
      const { core, isDead } = client.process
      if (isDead || core.state === 'closed') return true
      const session = this.#server.process.sessions.get(core.id ?? '')
      if (!client.isOpen || session?.transport === undefined) return false
      return (this.#schedule.staysStalled || session.inFlight === 0) && this.#isThere(client)
    })
  }

  #isThere(client: TopicClient): boolean {
    return this.#server.liveOf(client).every((subscription) => {
      const { core, topic, cursor } = subscription
      const { last, generation } = this.#store.head(topic)
      if (core.state !== 'subscribed' || cursor?.generation !== generation || !subscription.isAt(last)) return false
      // What is for others comes as well, as a note that there is nothing.
      return core.received!.offset >= last || this.#schedule.staysStalled
    })
  }

  async #runUntil(time: number): Promise<void> {
    const queue = this.#queue
    const isFar = this.#trouble.delayMs !== undefined || this.#wishes.authorizeMs !== undefined
    for (;;) {
      let first: TopicClient | undefined
      let deadline = Infinity
      for (const client of this.#clients) {
        const at = client.process.deadline
        if (at < deadline) {
          deadline = at
          first = client
        }
      }
      const at = Math.min(queue.nextAt, deadline)
      if (at > time) break
      if (++this.#events > MAX_EVENTS) throw new Error('It does not come to rest.')
      if (deadline < queue.nextAt) {
        queue.now = Math.max(queue.now, deadline)
        first!.process.tick()
      } else queue.runNext()
      if (isFar) await this.#settle()
    }
    queue.now = time
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < MICROTASKS; turn++) await Promise.resolve()
  }

  #startServer(): void {
    const queue = this.#queue
    const { ttlMs, topics } = this.#schedule
    const near = { isNear: true, delayMs: 0, losses: [] }
    const settings = { window: INBOX_WINDOW, acknowledge: 'handled', handler: ['at once'], ttlMs } as const
    const process = new ServerProcess(queue, new StoreFront(queue, this.#sessionStore, near), settings, this.#history)
    this.#store = new TopicStore(queue, this.#topicStore, this.#truth, this.#trouble)
    this.#server = new TopicServer(queue, process, this.#store, this.#truth, this.#wishes)
    for (let index = 0; index < topics; index++) this.#server.listen(this.#topic(index))
  }

  #join(): void {
    const { window, plans } = this.#schedule
    const name = String(this.#clients.length)
    const witness = {
      queue: this.#queue,
      truth: this.#truth,
      madeFrom: (client: string, topic: string) => this.#wishes.made.get(client)?.get(topic),
      isFar: this.#trouble.delayMs !== undefined,
      head: (topic: string) => this.#store.head(topic),
    }
    const settings = { window, acknowledge: 'handled', handler: ['at once'] } as const
    const plan = plans[this.#clients.length % plans.length]!
    const connect = (wire: Wire): void => this.#server.process.accept(wire)
    this.#clients.push(new TopicClient(witness, this.#network, name, settings, plan, this.#random, connect))
  }

  #topic(index: number): string {
    return `topic ${index % this.#schedule.topics}`.padEnd(this.#schedule.nameLength ?? 0, '.')
  }

  #client(index: number): TopicClient {
    return this.#clients[index % this.#clients.length]!
  }

  #name(kind: string): string {
    return `${kind} ${this.#names++}`
  }

  #sessionOf(client: number | undefined): string | undefined {
    return client === undefined ? client : this.#client(client).process.core.id
  }

  #from(topic: string, start: Start): From {
    if (typeof start === 'string' && start !== 'elsewhere' && start !== 'beyond') return start
    const { generation, last } = this.#store.head(topic)
    if (start === 'elsewhere') return { generation: 'elsewhere', offset: 3 }
    if (start === 'beyond') return { generation, offset: last + 1_000 }
    return 'back' in start ? { generation, offset: Math.max(0, last - start.back) } : start
  }

  #releaseAll(): void {
    for (const { subscriptions } of this.#clients) for (const subscription of subscriptions) subscription.release()
  }

  #play(step: TopicStep): void {
    switch (step.kind) {
      case 'publish': {
        const topic = this.#topic(step.topic)
        for (let index = 0; index < step.count; index++)
          this.#server.publish(topic, payload(this.#name('stored'), step.size), this.#sessionOf(step.except), false)
        break
      }
      case 'volatile': {
        const topic = this.#topic(step.topic)
        for (let index = 0; index < step.count; index++)
          this.#server.publish(topic, payload(this.#name('volatile'), 20), this.#sessionOf(step.except), true)
        break
      }
      case 'toSubject': {
        const subject = { subject: `user ${step.subject}` }
        for (let index = 0; index < step.count; index++)
          this.#server.publish(subject, payload(this.#name('stored'), 20), undefined, false)
        break
      }
      case 'inbox':
        for (const session of this.#server.process.sessions.values())
          for (let index = 0; index < step.count; index++) this.#server.process.send(session, 'to one alone')
        break
      case 'subscribe': {
        const topic = this.#topic(step.topic)
        this.#client(step.client).subscribe(topic, this.#from(topic, step.start))
        break
      }
      case 'unsubscribe':
        this.#client(step.client).unsubscribe(step.topic)
        break
      case 'serverSubscribes': {
        const topic = this.#topic(step.topic)
        this.#server.wish(this.#client(step.client).name, topic, this.#from(topic, step.start))
        break
      }
      case 'serverUnsubscribes':
        this.#server.wish(this.#client(step.client).name, this.#topic(step.topic), undefined)
        break
      case 'stall':
        this.#pick(step.client, step.topic)?.stall()
        break
      case 'release':
        this.#releaseAll()
        break
      case 'cut':
        this.#client(step.client).process.cut()
        break
      case 'cutAll':
        for (const { process } of this.#clients) process.cut()
        break
      case 'halfOpen':
        this.#client(step.client).process.lose(step.to)
        break
      case 'join':
        if (this.#clients.length < 2 * this.#schedule.clients) this.#join()
        break
      case 'leave':
        this.#client(step.client).process.close()
        break
      case 'network':
        this.#network.delayMs = step.delayMs
        break
      case 'down':
        this.#network.isDown = step.isDown
        if (step.isDown) for (const { process } of this.#clients) for (const side of SIDES) process.lose(side)
        break
      case 'freeze':
        if (step.client === undefined) this.#server.process.freeze(step.forMs)
        else this.#client(step.client).process.freeze(step.forMs)
        break
      case 'clog':
        this.#server.process.clog(step.forMs)
        break
      case 'restart':
        this.#violations.push(...this.#server.process.violations)
        this.#server.process.crash()
        this.#store.close()
        if (!step.keepsStore) {
          this.#sessionStore = memoryStore()
          this.#topicStore = memoryStore()
        }
        this.#startServer()
        break
      case 'storeRestarts':
        this.#topicStore = memoryStore()
        this.#store.replace(this.#topicStore)
        break
      case 'revoke': {
        const topic = this.#topic(step.topic)
        if (step.isRevoked) this.#wishes.revoked.add(topic)
        else this.#wishes.revoked.delete(topic)
        this.#server.reauthorize()
        break
      }
      case 'readsFail':
        this.#trouble.readFailures += step.count
        break
    }
  }

  #pick(client: number, which: number): ModelSubscription | undefined {
    const { live } = this.#client(client)
    return live[which % live.length]
  }
}

/** Text for most, bytes for some; the name stands at its beginning. */
function payload(name: string, size: number): Payload {
  const text = name.padEnd(size, '.')
  return name.endsWith('3') ? Uint8Array.from(text, (char) => char.charCodeAt(0)) : text
}
