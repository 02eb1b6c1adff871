import type { From, Hello, Payload } from '../../../src/protocol/frame.ts'
import type { Identity } from '../../../src/server/identity.ts'
import type { SessionConnection } from '../../../src/server/session-connection.ts'
import { Session, type SessionHost } from '../../../src/server/session.ts'
import { TopicHub } from '../../../src/server/topic-hub.ts'
import type { Retention, Store } from '../../../src/stores/store.ts'
import { nameOf } from '../sessions/simulation.ts'
import type { EventQueue } from '../sessions/event-queue.ts'
import type { Attached, ServerProcess, SimulatedSession } from '../sessions/server-process.ts'
import type { ModelSubscription, TopicClient } from './topic-client.ts'
import type { TopicStore } from './topic-store.ts'
import type { Truth } from './truth.ts'

interface Person extends Identity {
  readonly client: string
}

/** What the application wants, which survives its processes. */
export interface Wishes {
  /** Topics that no client may have. */
  readonly revoked: Set<string>
  /** Topics that the server subscribes a client to, by the client's name. */
  readonly made: Map<string, Map<string, From>>
  /** How long `authorize` takes; `undefined`: it answers at once. */
  readonly authorizeMs: number | undefined
  readonly retention: Retention
}

/** Most that a client may subscribe to. */
const MAX_SUBSCRIPTIONS = 1_000
const STORE_RETRY_MS = 1_000

/** The real hub of topics on a simulated server. */
export class TopicServer {
  readonly hub: TopicHub<Person>
  readonly sessions = new Map<string, Session<Person>>()
  readonly process: ServerProcess
  readonly #store: TopicStore
  readonly #truth: Truth
  readonly #wishes: Wishes
  /** What the events of presence have told of each member. */
  readonly #presence = new Map<string, string>()

  constructor(queue: EventQueue, process: ServerProcess, store: TopicStore, truth: Truth, wishes: Wishes) {
    this.process = process
    this.#store = store
    this.#truth = truth
    this.#wishes = wishes
    const run = (act: () => void): void => process.run(act)
    store.when = run
    const connectionOf = (connection: SessionConnection): Attached => connection as unknown as Attached
    this.hub = new TopicHub<Person>({
      store: store as Partial<Store> as Store,
      authorize: ({ topic }) => {
        const { revoked, authorizeMs } = wishes
        if (authorizeMs === undefined) return !revoked.has(topic)
        return new Promise((resolve) => {
          queue.after(authorizeMs, () => run(() => resolve(!revoked.has(topic))))
        })
      },
      retention: wishes.retention,
      maxSubscriptionsPerSession: MAX_SUBSCRIPTIONS,
      sessions: this.sessions,
      expect: () => {},
      fail: (connection, code) => process.fail(connectionOf(connection), code),
      error: () => {},
      // As the server does.
      ask: (call, answered, failed) => {
        const fail = (): undefined => {
          if (failed) queue.after(STORE_RETRY_MS, () => run(failed))
          return undefined
        }
        try {
          const answer = call()
          if (!(answer instanceof Promise)) return answer
          answer.then(answered, fail)
        } catch {
          return fail()
        }
        return
      },
    })
    process.topics = {
      began: (core, hello) => this.#began(core, hello),
      attached: (core, connection, hello, isResumed) => {
        this.hub.attached(this.sessions.get(core.id)!, asConnection(connection), hello, isResumed)
      },
      detached: (core) => {
        const session = this.sessions.get(core.id)
        if (session) this.hub.detached(session)
      },
      ended: (core) => {
        const session = this.sessions.get(core.id)
        if (!session) return
        this.hub.ended(session)
        this.sessions.delete(core.id)
        session.ended('expired')
      },
      frame: (core, connection, frame) => {
        this.hub.frame(this.sessions.get(core.id)!, asConnection(connection), frame)
      },
    }
  }

  /** Publishes to a topic, or to a subject. */
  publish(
    topic: string | { readonly subject: string },
    data: Payload,
    except: string | undefined,
    isVolatile: boolean,
  ): void {
    this.process.run(() => {
      const publish = (name: string): void => {
        if (isVolatile) {
          this.#truth.volatile.set(nameOf(data), { topic: name, except, at: this.#store.here(name) })
          this.hub.publishVolatile(name, data, except)
        } else void this.hub.publish(name, data, except)
      }
      const name = typeof topic === 'string' ? topic : this.hub.groups.topicOf(topic)
      if (name instanceof Promise) void name.then(publish)
      else publish(name)
    })
  }

  /** What the server says that a client has subscribed to. */
  namesOf({ process }: TopicClient): string[] {
    const session = this.sessions.get(process.core.id ?? '')
    return session ? this.hub.namesOf(session) : []
  }

  /** What has to come to the head of its topic: not what the server had made in an earlier session, nor what stalls. */
  liveOf(client: TopicClient): ModelSubscription[] {
    const names = new Set(this.namesOf(client))
    for (const { core, topic } of client.live) if (core.ref) names.delete(topic)
    return client.live.filter(({ core, topic, isStalled }) => !isStalled && (core.ref || names.has(topic)))
  }

  /** The application begins or ends a subscription of a client. */
  wish(client: string, topic: string, from: From | undefined): void {
    const { made } = this.#wishes
    let topics = made.get(client)
    if (!topics) made.set(client, (topics = new Map()))
    if (from === undefined) topics.delete(topic)
    // Which of several has begun it, nobody looks after.
    else topics.set(topic, topics.has(topic) ? 'now' : from)
    this.process.run(() => {
      for (const session of this.sessions.values()) {
        if (session.identity.client !== client) continue
        if (from === undefined) this.hub.unsubscribe(session, topic, 'unsubscribed')
        else this.#subscribe(session, topic, from)
      }
    })
  }

  /** What clients may have has changed. */
  reauthorize(): void {
    this.process.run(() => {
      for (const session of this.sessions.values()) void this.hub.reauthorize(session)
    })
  }

  #began(core: SimulatedSession, { auth }: Hello): void {
    const client = String(auth)
    const host: Partial<SessionHost> = {}
    const session = new Session<Person>(host as SessionHost, { subject: `user ${Number(client) % 2}`, client })
    session.core = core as unknown as Session<Person>['core']
    this.sessions.set(core.id, session)
    for (const [topic, from] of this.#wishes.made.get(client) ?? []) this.#subscribe(session, topic, from)
  }

  #subscribe(session: Session<Person>, topic: string, from: From): void {
    const subscribed = this.hub.subscribe(session, topic, from)
    // The store has failed; the application tries once more.
    if (subscribed instanceof Promise) subscribed.catch(() => this.#subscribe(session, topic, from))
  }

  /** Notes who comes and goes, and sees to it that each of these makes sense. */
  listen(topic: string): void {
    const legal: Record<string, readonly (string | undefined)[]> = {
      join: [undefined, 'leave'],
      leave: ['join', 'away', 'back'],
      away: ['join', 'back'],
      back: ['away', 'join'],
    }
    for (const type of ['join', 'leave', 'away', 'back'] as const)
      this.hub.on(topic, type, ({ session }) => {
        const key = `${topic} ${session.id}`
        const before = this.#presence.get(key)
        if (!legal[type]!.includes(before)) this.process.violations.push(`presence: ${type} after ${before}`)
        this.#presence.set(key, type)
      })
  }
}

/** What the hub calls of a connection. */
function asConnection(connection: Attached): SessionConnection {
  return connection as unknown as SessionConnection
}
