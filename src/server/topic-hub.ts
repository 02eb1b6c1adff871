import type { Buffer } from 'node:buffer'
import { HeartlineError } from '../core/error.ts'
import { Subscriber, type Subscription, type TopicSlice } from '../core/subscriber.ts'
import type { TopicHead } from '../core/topic.ts'
import { Emitter } from '../host/emitter.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { encodeUnsub } from '../protocol/encode.ts'
import type { Frame, From, Hello, Payload, Position, Sub } from '../protocol/frame.ts'
import { Violation } from '../protocol/violation.ts'
import type { MaybePromise, Retention, TopicInfo } from '../stores/store.ts'
import { chain } from './chain.ts'
import { OpenTopics, type OpenTopic, type OpenTopicsHost } from './open-topics.ts'
import type { ServerOptions } from './options.ts'
import { isList, RESERVED, subjectTopic, TopicGroups } from './topic-groups.ts'
import type { Identity } from './identity.ts'
import type { SessionConnection } from './session-connection.ts'
import type { Session } from './session.ts'
import { topicEvents, type TopicEventMap } from './topic.ts'

type Member = Subscription<SessionConnection, Buffer>

/** What topics ask their server. */
export interface TopicHost<I extends Identity> extends OpenTopicsHost {
  readonly authorize: ServerOptions<I>['authorize']
  readonly retention: Retention
  readonly maxSubscriptionsPerSession: number
  /** All sessions. */
  readonly sessions: ReadonlyMap<string, Session<I>>
  /** Ends a connection, whose client comes back. */
  fail(connection: SessionConnection, code: number, reason: string): void
  error(error: HeartlineError): void
}

/** All topics of a server: who has subscribed to what, who may, and who is there. */
export class TopicHub<I extends Identity> {
  /** How long and how much of a topic is kept, where it is not the default. */
  readonly retentions = new Map<string, Retention>()
  /** Of lists of sessions, and of subjects. */
  readonly groups: TopicGroups<I>
  readonly #host: TopicHost<I>
  readonly #open: OpenTopics
  readonly #emitters = new Map<string, Emitter<TopicEventMap<I>>>()
  /** Subscriptions whose session has no connection. */
  readonly #away = new Set<Member>()
  /** SUBs of a connection that `authorize` or the store has not answered yet, and whether it has had no such topic before. */
  readonly #asking = new WeakMap<SessionConnection, Map<number, boolean>>()
  /** What the server is about to subscribe, when the store has answered. */
  readonly #subscribing = new Set<{
    readonly session: Session<I>
    readonly name: string
    cancel(): void
  }>()
  /** Where clients were in topics that the server had subscribed them to. */
  readonly #positions = new WeakMap<Session<I>, Map<string, Position>>()
  /** Sessions that are over, or about to be: nothing subscribes them any more. */
  readonly #over = new WeakSet<Session<I>>()
  #hasWarned = false

  constructor(host: TopicHost<I>) {
    this.#host = host
    this.#open = new OpenTopics(host)
    this.groups = new TopicGroups<I>({
      sessions: host.sessions,
      maxAgeMs: host.retention.maxAgeMs,
      subscribe: (session, topic) => this.subscribe(session, topic, 'now'),
      unsubscribe: (session, topic) => this.unsubscribe(session, topic, 'unsubscribed'),
      members: (topic) => this.members(topic).map(({ session }) => session),
      hasAll: (topic) => this.#open.get(topic)?.isWithAll ?? true,
      error: (error) => host.error(error),
    })
  }

  /** Topics that somebody here has subscribed to, and what there is of them. */
  get stats(): { readonly topics: number; readonly subscriptions: number; readonly dropped: number } {
    return this.#open.stats
  }

  publish(topic: string, data: Payload, except: string | undefined): MaybePromise<Position> {
    return this.#host.store.publish(topic, { data, except }, this.retention(topic))
  }

  publishVolatile(topic: string, data: Payload, except: string | undefined): void {
    this.#open.get(topic)?.publishVolatile(data, except)
  }

  retention(topic: string): Retention {
    return this.retentions.get(topic) ?? this.#host.retention
  }

  /** All who have subscribed, connected or not. */
  members(topic: string): { readonly session: Session<I>; readonly isAway: boolean }[] {
    return [...(this.#open.get(topic)?.members ?? [])].flatMap(({ subscriber }) => {
      const session = this.#host.sessions.get(subscriber.session)
      return session ? [{ session, isAway: !session.isConnected }] : []
    })
  }

  count(topic: string): number {
    return this.#open.get(topic)?.members.size ?? 0
  }

  /** @returns a function that takes the listener away */
  on<Type extends keyof TopicEventMap<I>>(
    topic: string,
    type: Type,
    listener: (event: TopicEventMap<I>[Type]) => unknown,
  ): () => void {
    const emitter = this.#emitters.get(topic) ?? new Emitter<TopicEventMap<I>>()
    this.#emitters.set(topic, emitter)
    const off = emitter.on(type, listener)
    return () => {
      off()
      // There may be as many topics as there are rooms: nothing of one stays that nobody listens to.
      const isUnheard = topicEvents.every((event) => !emitter.count(event))
      if (isUnheard && this.#emitters.get(topic) === emitter) this.#emitters.delete(topic)
    }
  }

  /** The server subscribes a session. */
  subscribe(session: Session<I>, name: string, from: From): MaybePromise<void> {
    let isWanted = true
    const isDone = (): boolean =>
      !isWanted || session.end !== undefined || this.#over.has(session) || find(session, name) !== undefined
    if (isDone()) return
    const told = (): Position | undefined => this.#positions.get(session)?.get(name)
    const begin = (topic: OpenTopic): MaybePromise<void> => {
      const where = told()
      return chain(this.#resolve(topic, where ?? from), (after = topic.last) => {
        // Meanwhile it may have ended, or somebody else was faster.
        if (isDone()) return
        // Or its client has come, and said where it is.
        if (told() !== where) return begin(topic)
        this.#positions.get(session)?.delete(name)
        this.#join(session, topic, 0, after)
        if (session.isConnected) this.#enter(session, topic, after)
      })
    }
    const subscribed = this.#open.use(name, begin)
    if (!(subscribed instanceof Promise)) return
    const pending = { session, name, cancel: () => void (isWanted = false) }
    this.#subscribing.add(pending)
    return subscribed.finally(() => this.#subscribing.delete(pending))
  }

  /** The server, or the one who revokes, ends a subscription. */
  unsubscribe(session: Session<I>, name: string, reason: string): void {
    this.#positions.get(session)?.delete(name)
    for (const pending of this.#subscribing) if (pending.session === session && pending.name === name) pending.cancel()
    const member = find(session, name)
    if (!member) return
    const { ref } = member
    const { transport } = session.core
    // Its client may just have asked for it once more.
    if (transport) this.#asking.get(transport)?.delete(ref)
    this.#remove(session, member)
    if (transport) this.#open.effects.transmit(transport, encodeUnsub({ ref, topic: name, reason }))
  }

  namesOf(session: Session<I>): string[] {
    return membersOf(session).map(({ topic }) => (topic as OpenTopic).name)
  }

  /** Asks once more whether a client may have what it has subscribed to. */
  async reauthorize(session: Session<I>): Promise<void> {
    const names = membersOf(session).flatMap(({ ref, topic }) => (ref ? [(topic as OpenTopic).name] : []))
    for (const name of names)
      if (!(await this.#isAllowed(session, name))) this.unsubscribe(session, name, 'unauthorized')
  }

  /** A session has a new connection. */
  attached(session: Session<I>, connection: SessionConnection, hello: Hello, isResumed: boolean): void {
    const { topics = [], window } = hello
    this.groups.attached(session)
    const positions = new Map<string, Position>()
    for (const { ref, topic, from } of topics)
      if (!ref && typeof from === 'object' && !('last' in from)) positions.set(topic, from)
    if (positions.size) this.#positions.set(session, positions)
    session.core.topics?.begin(connection, window)
    for (const member of membersOf(session).slice()) if (!member.ref) this.#resume(session, member, positions)
    for (const sub of topics) {
      if (sub.ref) this.#sub(session, connection, sub)
      // `authorize` has thrown: the client asks for all of them again.
      if (session.core.transport !== connection) return
    }
    const own = subjectTopic(session.subject)
    if (this.#open.get(own) || positions.has(own)) this.groups.subscribeOwn(session)
    // These have begun. They may be left, and made again from elsewhere.
    for (const { ref, topic } of membersOf(session)) if (!ref) positions.delete((topic as OpenTopic).name)
    if (!isResumed) {
      // No list of a session that is over has this one.
      for (const name of positions.keys()) {
        if (!isList(name)) continue
        positions.delete(name)
        this.#open.effects.transmit(connection, encodeUnsub({ ref: 0, topic: name, reason: 'unsubscribed' }))
      }
      return
    }
    // What the server has ended while the client was away, or the client has taken over without hearing of it.
    for (const name of positions.keys()) {
      const ref = find(session, name)?.ref
      if (name === own || ref === 0) continue
      positions.delete(name)
      this.#open.effects.transmit(
        connection,
        encodeUnsub({ ref: 0, topic: name, reason: ref ? 'replaced' : 'unsubscribed' }),
      )
    }
  }

  /** A session has lost its connection. */
  detached(session: Session<I>): void {
    for (const member of membersOf(session).slice()) {
      if (this.#away.has(member) || find(session, (member.topic as OpenTopic).name) !== member) continue
      this.#away.add(member)
      this.#emit(member, 'away', session)
    }
  }

  /** A session is over. */
  ended(session: Session<I>): void {
    this.#over.add(session)
    for (const member of membersOf(session).slice()) this.#remove(session, member)
    this.groups.ended(session)
  }

  /** A client subscribes or unsubscribes. */
  frame(session: Session<I>, connection: SessionConnection, frame: Frame & { readonly type: 'sub' | 'unsub' }): void {
    if (frame.type === 'sub') {
      // Answers count in no window. Whoever asks and does not read must not make them pile up.
      if (!connection.mayAnswer(this.#mostQuestions)) throw new Violation(CloseCode.tooLarge, 'answers are not read')
      return this.#sub(session, connection, frame.body)
    }
    const { ref, topic = '', pause } = frame.body
    this.#asking.get(connection)?.delete(ref)
    const member = ref ? membersOf(session).find((member) => member.ref === ref) : find(session, topic)
    if (!member || member.ref !== ref) return
    if (pause) member.topic.leave(member)
    // What the server has made, it ends.
    else if (ref) this.#remove(session, member)
  }

  /** Frees what is here. */
  close(): void {
    this.#open.close()
    this.groups.close()
  }

  info(topic: string): MaybePromise<TopicInfo> {
    return this.#host.store.topic(topic)
  }

  read(topic: string, after: number): MaybePromise<TopicSlice> {
    return this.#host.store.readTopic(topic, after)
  }

  /** All that a session may have, asked for and taken back and asked for again. */
  get #mostQuestions(): number {
    return 2 * this.#host.maxSubscriptionsPerSession + 1_024
  }

  #sub(session: Session<I>, connection: SessionConnection, sub: Sub): void {
    const { ref, topic } = sub
    const refuse = (reason: string): void => {
      if (session.core.transport !== connection) return
      const member = find(session, topic)
      if (member && member.ref === ref) this.#remove(session, member)
      this.#open.effects.transmit(connection, encodeUnsub({ ref, topic, reason }))
    }
    if (!ref) {
      // It goes on with what the server has subscribed it to, after a pause.
      const member = find(session, topic)
      if (member && !member.ref) this.#resume(session, member, new Map([[topic, sub.from as Position]]))
      return
    }
    if (topic.startsWith(RESERVED)) return refuse('unauthorized')
    const asking = this.#askingOf(connection)
    const isNew = !find(session, topic)
    if (isNew) {
      let count = membersOf(session).length
      for (const isAnotherNew of asking.values()) if (isAnotherNew) count++
      if (count >= this.#host.maxSubscriptionsPerSession) return refuse('limit')
    }
    if (connection.asked >= this.#mostQuestions) return refuse('limit')
    asking.set(ref, isNew)
    const isWanted = (): boolean => session.core.transport === connection && asking.has(ref)
    const allowed = (isAllowed: boolean): void => {
      if (!isWanted()) return
      if (isAllowed) return this.#allowed(session, connection, sub, isWanted, refuse)
      asking.delete(ref)
      refuse('unauthorized')
    }
    const failed = (cause: unknown): void => this.#failed(connection, 'authorize', cause)
    try {
      const isAllowed = this.#isAllowed(session, topic)
      if (isAllowed instanceof Promise) {
        connection.asked++
        isAllowed.finally(() => connection.asked--).then(allowed, failed)
      } else allowed(isAllowed)
    } catch (cause) {
      failed(cause)
    }
  }

  #allowed(
    session: Session<I>,
    connection: SessionConnection,
    { ref, topic: name, from }: Sub,
    isWanted: () => boolean,
    refuse: (reason: string) => void,
  ): void {
    const enter = (topic: OpenTopic, after: number | undefined): void => {
      if (!isWanted()) return
      this.#askingOf(connection).delete(ref)
      if (after === undefined) return refuse('position')
      const member = find(session, name)
      if (!member) this.#join(session, topic, ref, after)
      else if (member.ref !== ref) {
        this.#open.effects.transmit(connection, encodeUnsub({ ref: member.ref, topic: name, reason: 'replaced' }))
        member.ref = ref
      }
      this.#enter(session, topic, after)
    }
    const failed = (cause: unknown): void => this.#failed(connection, 'the store', cause)
    try {
      const entered = this.#open.use(name, (topic) => chain(this.#resolve(topic, from), (after) => enter(topic, after)))
      if (entered instanceof Promise) entered.catch(failed)
    } catch (cause) {
      failed(cause)
    }
  }

  /** The client comes back, and asks for all of it again. */
  #failed(connection: SessionConnection, what: string, cause: unknown): void {
    const message = `A client could not subscribe: ${what} failed.`
    this.#host.error(new HeartlineError(what === 'authorize' ? 'ERR_PROVIDER' : 'ERR_STORE', message, { cause }))
    this.#host.fail(connection, CloseCode.tryLater, `${what} failed`)
  }

  #isAllowed(session: Session<I>, topic: string): MaybePromise<boolean> {
    const { authorize } = this.#host
    if (authorize) {
      const answer = authorize({ session, identity: session.identity, topic })
      return answer instanceof Promise ? answer.then(Boolean) : Boolean(answer)
    }
    if (!this.#hasWarned) {
      this.#hasWarned = true
      const message = `A client asked for the topic ${JSON.stringify(topic)}: without the option \`authorize\` none is given.`
      this.#host.error(new HeartlineError('ERR_NO_AUTHORIZE', message))
    }
    return false
  }

  #resume(session: Session<I>, member: Member, positions: ReadonlyMap<string, Position>): void {
    const topic = member.topic as OpenTopic
    const { transport } = session.core
    const enter = (after = member.confirmed): void => {
      if (session.core.transport === transport && find(session, topic.name) === member)
        this.#enter(session, topic, after)
    }
    const told = positions.get(topic.name)
    if (!told) return enter()
    const failed = (cause: unknown): void => this.#failed(transport!, 'the store', cause)
    try {
      const entered = chain(this.#resolve(topic, told), enter)
      if (entered instanceof Promise) entered.catch(failed)
    } catch (cause) {
      failed(cause)
    }
  }

  #resolve(topic: OpenTopic, from: From): MaybePromise<number | undefined> {
    const isPosition = typeof from === 'object' && 'offset' in from
    // A position may be one that this process has not heard of yet.
    const needsLog = isPosition
      ? from.generation === topic.generation && from.offset > topic.last
      : from === 'first' || typeof from === 'object'
    const known: TopicHead = { generation: topic.generation, first: 1, last: topic.last }
    if (!needsLog) return topic.resolve(from, known)
    const info = this.#host.store.topic(topic.name)
    return info instanceof Promise ? info.then((head) => topic.resolve(from, head)) : topic.resolve(from, info)
  }

  #join(session: Session<I>, topic: OpenTopic, ref: number, after: number): void {
    const { core } = session
    if (!core.topics) {
      core.topics = new Subscriber<SessionConnection, Buffer>(this.#open.effects, session.id)
      if (core.transport) core.topics.begin(core.transport, core.window!)
    }
    const member = topic.add(core.topics as Subscriber<SessionConnection, Buffer>, ref, after)
    if (!core.transport) this.#away.add(member)
    this.#emit(member, 'join', session)
  }

  #enter(session: Session<I>, topic: OpenTopic, after: number): void {
    const member = find(session, topic.name)
    // A listener of `join` or `back` has ended it.
    if (!member) return
    topic.enter(member, after)
    if (this.#away.delete(member)) this.#emit(member, 'back', session)
  }

  #remove(session: Session<I>, member: Member): void {
    const topic = member.topic as OpenTopic
    topic.remove(member)
    this.#away.delete(member)
    this.#emit(member, 'leave', session)
    this.#open.closeUnused(topic)
  }

  #emit(member: Member, type: keyof TopicEventMap<I>, session: Session<I>): void {
    this.#emitters.get((member.topic as OpenTopic).name)?.emit(type, { session })
  }

  #askingOf(connection: SessionConnection): Map<number, boolean> {
    let asking = this.#asking.get(connection)
    if (!asking) this.#asking.set(connection, (asking = new Map()))
    return asking
  }
}

const membersOf = (session: Session<any>): readonly Member[] =>
  (session.core.topics?.subscriptions ?? []) as unknown as Member[]

const find = (session: Session<any>, topic: string): Member | undefined =>
  membersOf(session).find((member) => (member.topic as OpenTopic).name === topic)
