import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { HeartlineError } from '../core/error.ts'
import { Subscriber, type Subscription, type TopicEntry, type TopicSlice } from '../core/subscriber.ts'
import { Topic, type TopicEffects, type TopicHead } from '../core/topic.ts'
import { Emitter } from '../host/emitter.ts'
import type { Target } from '../host/topic-option.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { encodeUnsub } from '../protocol/encode.ts'
import type { Frame, From, Hello, Payload, Position, Sub } from '../protocol/frame.ts'
import { Violation } from '../protocol/violation.ts'
import type { MaybePromise, Retention, Store, TopicInfo } from '../stores/store.ts'
import type { ServerOptions } from './options.ts'
import type { Identity } from './identity.ts'
import type { SessionConnection } from './session-connection.ts'
import type { Session } from './session.ts'
import type { TopicEventMap } from './topic.ts'
import { webSocketFrame } from './web-socket-frame.ts'

type Member = Subscription<SessionConnection, Buffer>

/** A topic that somebody here has subscribed to, or listens to. */
class OpenTopic extends Topic<SessionConnection, Buffer> {
  unwatch = (): void => {}
}

/** What topics ask their server. */
export interface TopicHost<I extends Identity> {
  readonly store: Store
  readonly authorize: ServerOptions<I>['authorize']
  readonly retention: Retention
  readonly maxSubscriptionsPerSession: number
  /** All sessions. */
  readonly sessions: ReadonlyMap<string, Session<I>>
  expect(connection: SessionConnection): void
  /** Ends a connection, whose client comes back. */
  fail(connection: SessionConnection, code: number, reason: string): void
  error(error: HeartlineError): void
  /** Asks the store. @returns its answer, or `undefined` if that comes later or not at all */
  ask<T>(call: () => MaybePromise<T>, answered: (answer: T) => void, failed?: () => void): T | undefined
}

/** Names that begin so are the server's own: no client subscribes to them. */
const RESERVED = '$'
const MAX_SUBJECT = 128
/** How often frames for those who are behind are let go of. */
const FORGET_FRAMES_MS = 2_000

/** All topics of a server: who has subscribed to what, who may, and who is there. */
export class TopicHub<I extends Identity> {
  /** How long and how much of a topic is kept, where it is not the default. */
  readonly retentions = new Map<string, Retention>()
  readonly #host: TopicHost<I>
  readonly #effects: TopicEffects<SessionConnection, Buffer>
  readonly #topics = new Map<string, OpenTopic>()
  readonly #opening = new Map<string, Promise<OpenTopic>>()
  /** How many are about to subscribe to a topic: it stays open until they have, or have not. */
  readonly #wanted = new Map<string, number>()
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
  /** Sessions by subject; made when somebody publishes to a subject. */
  #subjects: Map<string, Set<Session<I>>> | undefined
  /** Topics of lists and subjects whose sessions are being subscribed. */
  readonly #grouping = new Map<string, Promise<string>>()
  /** Topics of lists of sessions, and when somebody published to them last. */
  readonly #lists = new Map<string, number>()
  #dirty: Topic<SessionConnection, Buffer>[] = []
  /** Connections that get what is written when all dirty topics are flushed. */
  #corked: Set<SessionConnection> | undefined
  #nextId = 1
  #droppedBefore = 0
  #timer: ReturnType<typeof setInterval> | undefined
  #hasWarned = false

  constructor(host: TopicHost<I>) {
    this.#host = host
    this.#effects = {
      transmit: (connection, message) => connection.transmit(message),
      share: (connection, frame) => {
        const corked = this.#corked
        if (corked && !corked.has(connection)) {
          corked.add(connection)
          connection.cork()
        }
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

  /** Topics that somebody here has subscribed to or listens to. */
  get size(): number {
    return this.#topics.size
  }

  get subscriptions(): number {
    let count = 0
    for (const { members } of this.#topics.values()) count += members.size
    return count
  }

  get dropped(): number {
    let count = this.#droppedBefore
    for (const { dropped } of this.#topics.values()) count += dropped
    return count
  }

  publish(topic: string, data: Payload, except: string | undefined): MaybePromise<Position> {
    return this.#host.store.publish(topic, { data, except }, this.retention(topic))
  }

  publishVolatile(topic: string, data: Payload, except: string | undefined): void {
    this.#topics.get(topic)?.publishVolatile(data, except)
  }

  retention(topic: string): Retention {
    return this.retentions.get(topic) ?? this.#host.retention
  }

  /** The topic of those that are no topic's subscribers. */
  groupOf(target: Exclude<Target<Session<I>>, string>): MaybePromise<string> {
    return Array.isArray(target)
      ? this.#ofSessions(target as readonly Session<I>[])
      : this.#ofSubject((target as { readonly subject: string }).subject)
  }

  /** The topic of all sessions of a subject, those that come later included. */
  #ofSubject(subject: string): MaybePromise<string> {
    if (!this.#subjects) {
      this.#subjects = new Map()
      for (const session of this.#host.sessions.values()) this.#indexSubject(session)
    }
    return this.#group(subjectTopic(subject), this.#subjects.get(subject) ?? [])
  }

  /** The topic of these sessions. */
  #ofSessions(sessions: readonly Session<I>[]): MaybePromise<string> {
    const ids = sessions.map(({ id }) => id).sort()
    const topic = `${RESERVED}sessions:${sha256(ids.join())}`
    this.#lists.set(topic, performance.now())
    return this.#group(topic, sessions)
  }

  /** All who have subscribed, connected or not. */
  members(topic: string): { readonly session: Session<I>; readonly isAway: boolean }[] {
    return [...(this.#topics.get(topic)?.members ?? [])].flatMap(({ subscriber }) => {
      const session = this.#host.sessions.get(subscriber.session)
      return session ? [{ session, isAway: !session.isConnected }] : []
    })
  }

  count(topic: string): number {
    return this.#topics.get(topic)?.members.size ?? 0
  }

  /** @returns a function that takes the listener away */
  on<Type extends keyof TopicEventMap<I>>(
    topic: string,
    type: Type,
    listener: (event: TopicEventMap<I>[Type]) => unknown,
  ): () => void {
    let emitter = this.#emitters.get(topic)
    if (!emitter) this.#emitters.set(topic, (emitter = new Emitter()))
    return emitter.on(type, listener)
  }

  /** The server subscribes a session. */
  subscribe(session: Session<I>, name: string, from: From): MaybePromise<void> {
    let isWanted = true
    const isDone = (): boolean => !isWanted || session.end !== undefined || find(session, name) !== undefined
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
    const subscribed = this.#withTopic(name, begin)
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
    transport?.transmit(encodeUnsub({ ref, topic: name, reason }))
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
    const { subject } = session
    if (this.#subjects) this.#indexSubject(session)
    const positions = new Map<string, Position>()
    for (const { ref, topic, from } of topics)
      if (!ref && typeof from === 'object' && !('last' in from)) positions.set(topic, from)
    if (positions.size) this.#positions.set(session, positions)
    session.core.topics?.begin(connection, window)
    for (const member of membersOf(session)) if (!member.ref) this.#resume(session, member, positions)
    for (const sub of topics) {
      if (sub.ref) this.#sub(session, connection, sub)
      // `authorize` has thrown: the client asks for all of them again.
      if (session.core.transport !== connection) return
    }
    const own = subject && subjectTopic(subject)
    if (own && (this.#topics.has(own) || positions.has(own))) this.#subscribeOwn(session, own)
    if (!isResumed) return
    // What the server has ended while the client was away, or the client has taken over without hearing of it.
    for (const name of positions.keys()) {
      const ref = find(session, name)?.ref
      if (name === own || ref === 0) continue
      positions.delete(name)
      connection.transmit(encodeUnsub({ ref: 0, topic: name, reason: ref ? 'replaced' : 'unsubscribed' }))
    }
  }

  /** A session has lost its connection. */
  detached(session: Session<I>): void {
    for (const member of membersOf(session)) {
      if (this.#away.has(member)) continue
      this.#away.add(member)
      this.#emit(member, 'away', session)
    }
  }

  /** A session is over. */
  ended(session: Session<I>): void {
    for (const member of membersOf(session).slice()) this.#remove(session, member)
    const sessions = this.#subjects?.get(session.subject)
    if (sessions?.delete(session) && !sessions.size) this.#subjects!.delete(session.subject)
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
    for (const topic of this.#topics.values()) topic.unwatch()
    clearInterval(this.#timer)
  }

  info(topic: string): MaybePromise<TopicInfo> {
    return this.#host.store.topic(topic)
  }

  read(topic: string, after: number): MaybePromise<TopicSlice> {
    return this.#host.store.readTopic(topic, after)
  }

  /** All of them subscribed. One publish after the other: none overtakes another that still waits for that. */
  #group(topic: string, sessions: Iterable<Session<I>>): MaybePromise<string> {
    const pending: Promise<unknown>[] = []
    const before = this.#grouping.get(topic)
    if (before) pending.push(before)
    for (const session of sessions) {
      const subscribed = this.subscribe(session, topic, 'now')
      if (subscribed instanceof Promise) pending.push(subscribed)
    }
    if (!pending.length) return topic
    const grouped = Promise.all(pending).then(() => topic)
    this.#grouping.set(topic, grouped)
    const forget = (): void => {
      if (this.#grouping.get(topic) === grouped) this.#grouping.delete(topic)
    }
    grouped.then(forget, forget)
    return grouped
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
      connection.transmit(encodeUnsub({ ref, topic, reason }))
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
        connection.transmit(encodeUnsub({ ref: member.ref, topic: name, reason: 'replaced' }))
        member.ref = ref
      }
      this.#enter(session, topic, after)
    }
    const failed = (cause: unknown): void => this.#failed(connection, 'the store', cause)
    try {
      const entered = this.#withTopic(name, (topic) =>
        chain(this.#resolve(topic, from), (after) => enter(topic, after)),
      )
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

  /** To the topic of its subject. */
  #subscribeOwn(session: Session<I>, own: string): void {
    const failed = (cause: unknown): void => {
      this.#host.error(new HeartlineError('ERR_STORE', 'A session could not be subscribed to its subject.', { cause }))
    }
    try {
      const subscribed = this.subscribe(session, own, 'now')
      if (subscribed instanceof Promise) subscribed.catch(failed)
    } catch (cause) {
      failed(cause)
    }
  }

  #resume(session: Session<I>, member: Member, positions: ReadonlyMap<string, Position>): void {
    const topic = member.topic as OpenTopic
    const told = positions.get(topic.name)
    const after = told && topic.resolve(told, { generation: topic.generation, first: 1, last: topic.last })
    this.#enter(session, topic, after ?? member.confirmed)
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
      core.topics = new Subscriber<SessionConnection, Buffer>(this.#effects, session.id)
      if (core.transport) core.topics.begin(core.transport, core.window!)
    }
    const member = topic.add(core.topics as Subscriber<SessionConnection, Buffer>, ref, after)
    if (!core.transport) this.#away.add(member)
    this.#emit(member, 'join', session)
  }

  #enter(session: Session<I>, topic: OpenTopic, after: number): void {
    const member = find(session, topic.name)!
    topic.enter(member, after)
    if (this.#away.delete(member)) this.#emit(member, 'back', session)
  }

  #remove(session: Session<I>, member: Member): void {
    const topic = member.topic as OpenTopic
    topic.remove(member)
    this.#away.delete(member)
    this.#emit(member, 'leave', session)
    this.#closeUnused(topic)
  }

  #closeUnused(topic: OpenTopic): void {
    if (topic.members.size || this.#wanted.has(topic.name) || this.#topics.get(topic.name) !== topic) return
    topic.unwatch()
    this.#droppedBefore += topic.dropped
    this.#topics.delete(topic.name)
  }

  /** Opens a topic for somebody who is about to subscribe. */
  #withTopic(name: string, use: (topic: OpenTopic) => MaybePromise<void>): MaybePromise<void> {
    const wanted = this.#wanted
    wanted.set(name, (wanted.get(name) ?? 0) + 1)
    const done = (): void => {
      const others = wanted.get(name)! - 1
      if (others) wanted.set(name, others)
      else wanted.delete(name)
      const topic = this.#topics.get(name)
      if (topic) this.#closeUnused(topic)
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
      topic = new OpenTopic(this.#effects, this.#nextId++, name, info)
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

  #emit(member: Member, type: keyof TopicEventMap<I>, session: Session<I>): void {
    this.#emitters.get((member.topic as OpenTopic).name)?.emit(type, { session })
  }

  #indexSubject(session: Session<I>): void {
    const { subject } = session
    if (!subject) return
    const sessions = this.#subjects!.get(subject)
    if (sessions) sessions.add(session)
    else this.#subjects!.set(subject, new Set([session]))
  }

  #askingOf(connection: SessionConnection): Map<number, boolean> {
    let asking = this.#asking.get(connection)
    if (!asking) this.#asking.set(connection, (asking = new Map()))
    return asking
  }

  #forgetFramesLater(): void {
    this.#timer ??= setInterval(() => {
      for (const topic of this.#topics.values()) topic.forgetFrames()
      this.#forgetLists()
      if (this.#topics.size) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }, FORGET_FRAMES_MS)
    this.#timer.unref()
  }

  /** Nobody publishes to the same list any more, and all that it was told is there or too old. */
  #forgetLists(): void {
    const usedBefore = performance.now() - this.#host.retention.maxAgeMs
    for (const [name, usedAt] of this.#lists) {
      if (usedAt > usedBefore) continue
      this.#lists.delete(name)
      const topic = this.#topics.get(name)
      for (const { subscriber } of topic ? [...topic.members] : [])
        this.unsubscribe(this.#host.sessions.get(subscriber.session)!, name, 'unsubscribed')
    }
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    // With several, a connection's frames of all of them leave in one write.
    if (dirty.length > 1) this.#corked = new Set()
    for (const topic of dirty) topic.flush()
    const corked = this.#corked
    this.#corked = undefined
    for (const connection of corked ?? []) connection.uncork()
  }
}

function hear(topic: OpenTopic, { generation, offset }: Position, entry: TopicEntry | undefined): void {
  if (generation === topic.generation) topic.appended(offset, entry)
  else topic.restarted({ generation, first: 1, last: offset })
}

function chain<T, U>(value: MaybePromise<T>, use: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(use) : use(value)
}

/** A subject may be longer than the name of a topic. */
const subjectTopic = (subject: string): string =>
  `${RESERVED}subject:${subject.length > MAX_SUBJECT ? sha256(subject) : subject}`

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

const membersOf = (session: Session<any>): readonly Member[] =>
  (session.core.topics?.subscriptions ?? []) as unknown as Member[]

const find = (session: Session<any>, topic: string): Member | undefined =>
  membersOf(session).find((member) => (member.topic as OpenTopic).name === topic)
