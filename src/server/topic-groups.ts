import { createHash } from 'node:crypto'
import { HeartlineError } from '../core/error.ts'
import type { Target } from '../host/topic-option.ts'
import type { MaybePromise } from '../stores/store.ts'
import type { Identity } from './identity.ts'
import type { Session } from './session.ts'

/** What groups ask of the topics. */
export interface GroupHost<I extends Identity> {
  readonly sessions: ReadonlyMap<string, Session<I>>
  /** After so long without a message, the topic of a list ends. */
  readonly maxAgeMs: number
  subscribe(session: Session<I>, topic: string): MaybePromise<void>
  unsubscribe(session: Session<I>, topic: string): void
  members(topic: string): Session<I>[]
  /** Whether all members certainly have all messages. */
  hasAll(topic: string): boolean
  error(error: HeartlineError): void
}

/** Names that begin so are the server's own: no client subscribes to them. */
export const RESERVED = '$'
const MAX_SUBJECT = 128
/** How often lists that nobody publishes to any more are looked for. */
const FORGET_LISTS_MS = 2_000

/** Whoever is published to without being a topic's subscriber: all sessions of a subject, or a list of sessions. Each is a topic. */
export class TopicGroups<I extends Identity> {
  readonly #host: GroupHost<I>
  /** Sessions by subject; made when somebody publishes to a subject. */
  #subjects: Map<string, Set<Session<I>>> | undefined
  /** Topics whose sessions are being subscribed. */
  readonly #grouping = new Map<string, Promise<string>>()
  /** Topics of lists of sessions, and when somebody published to them last. */
  readonly #lists = new Map<string, number>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(host: GroupHost<I>) {
    this.#host = host
  }

  /** The topic of those that are no topic's subscribers. */
  topicOf(target: Exclude<Target<Session<I>>, string>): MaybePromise<string> {
    return Array.isArray(target)
      ? this.#ofSessions(target as readonly Session<I>[])
      : this.#ofSubject((target as { readonly subject: string }).subject)
  }

  /** A session has a connection. */
  attached(session: Session<I>): void {
    if (this.#subjects) this.#indexSubject(session)
  }

  /** A session is over. */
  ended(session: Session<I>): void {
    const sessions = this.#subjects?.get(session.subject)
    if (sessions?.delete(session) && !sessions.size) this.#subjects!.delete(session.subject)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** To the topic of its subject, if it has one. */
  subscribeOwn(session: Session<I>): void {
    if (!session.subject) return
    const failed = (cause: unknown): void => {
      this.#host.error(new HeartlineError('ERR_STORE', 'A session could not be subscribed to its subject.', { cause }))
    }
    try {
      const subscribed = this.#host.subscribe(session, subjectTopic(session.subject))
      if (subscribed instanceof Promise) subscribed.catch(failed)
    } catch (cause) {
      failed(cause)
    }
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
    this.#timer ??= setInterval(() => this.#forgetLists(), FORGET_LISTS_MS).unref()
    return this.#group(topic, sessions)
  }

  /** All of them subscribed. One publish after the other: none overtakes another that still waits for that. */
  #group(topic: string, sessions: Iterable<Session<I>>): MaybePromise<string> {
    const pending: Promise<unknown>[] = []
    const before = this.#grouping.get(topic)
    if (before) pending.push(before)
    for (const session of sessions) {
      const subscribed = this.#host.subscribe(session, topic)
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

  #indexSubject(session: Session<I>): void {
    const { subject } = session
    if (!subject) return
    const sessions = this.#subjects!.get(subject)
    if (sessions) sessions.add(session)
    else this.#subjects!.set(subject, new Set([session]))
  }

  /** Nobody publishes to the same list any more, and all that it was told is there or too old. */
  #forgetLists(): void {
    const usedBefore = performance.now() - this.#host.maxAgeMs
    for (const [topic, usedAt] of this.#lists) {
      // Who is away, or slow, has to be told what is missing.
      if (usedAt > usedBefore || !this.#host.hasAll(topic)) continue
      this.#lists.delete(topic)
      for (const session of this.#host.members(topic)) this.#host.unsubscribe(session, topic)
    }
    if (this.#lists.size) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

export const isList = (topic: string): boolean => topic.startsWith(`${RESERVED}sessions:`)

/** A subject may be longer than the name of a topic. */
export const subjectTopic = (subject: string): string =>
  `${RESERVED}subject:${subject.length > MAX_SUBJECT ? sha256(subject) : subject}`

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')
