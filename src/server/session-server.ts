import { HeartlineError } from '../core/error.ts'
import type { Incoming } from '../core/inflow.ts'
import { numberOptions, optionError } from '../core/option.ts'
import type { Slice } from '../core/outflow.ts'
import {
  ServerSession,
  type Attachment,
  type Commit,
  type ServerEffects,
  type ServerSessionOptions,
} from '../core/server-session.ts'
import { now } from '../host/clock.ts'
import { toPayload } from '../host/payload.ts'
import { checkTarget, checkTopicName, type Target } from '../host/topic-option.ts'
import { checkListener, Emitter } from '../host/emitter.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { encodeGoaway } from '../protocol/encode.ts'
import type { Hello, Payload, Position } from '../protocol/frame.ts'
import { memoryStore } from '../stores/memory.ts'
import type { Appended, MaybePromise, Retention, Store } from '../stores/store.ts'
import { clientWindow } from './client-window.ts'
import { admit, type HandshakeHost } from './handshake.ts'
import { HttpFront } from './http-front.ts'
import { checkedOptions, checkedRetention, type CheckedOptions, type ServerOptions } from './options.ts'
import type { Identity } from './identity.ts'
import type { ServerEventMap, ServerStats } from './server-events.ts'
import { Connections } from './connections.ts'
import type { SessionConnection } from './session-connection.ts'
import { Session, type SessionEnd, type SessionHost } from './session.ts'
import { stored, storeError } from './stored.ts'
import { TimedWatch } from './timed-watch.ts'
import { TopicHub } from './topic-hub.ts'
import { Topic, type PublishOptions } from './topic.ts'
import { warn } from './warn.ts'

/** The core of a session, and its public face. */
class OwnedSession<I extends Identity> extends ServerSession<SessionConnection> {
  owner!: Session<I>
  /** Runs while it has no connection. */
  expiry: ReturnType<typeof setTimeout> | undefined
  /** The application has asked for the end. */
  isEndedHere = false
}

/** Longest time that the end of a session waits for its client. */
const END_TIMEOUT_MS = 5_000
/** After a failure of the store, the next try. */
const STORE_RETRY_MS = 1_000

const publishRules = { except: null, volatile: null } as const
const topicRules = { retain: null } as const
/** After the deadline of a drain, time for the closing handshakes. */
const CLOSE_GRACE_MS = 500

/** A heartline server: sessions of clients that come and go. Made by `createServer()`. */
export class SessionServer<I extends Identity = Identity> {
  /** Resolves when connections are accepted, with the address. */
  readonly listening: Promise<{ readonly host: string; readonly port: number }>
  /** @internal For topics alone. */
  readonly topics: TopicHub<I>
  readonly #options: CheckedOptions
  readonly #store: Store
  readonly #front: HttpFront
  readonly #watch: TimedWatch<SessionConnection>
  readonly #emitter = new Emitter<ServerEventMap<I>>()
  readonly #sessions = new Map<string, Session<I>>()
  readonly #connections: Connections
  readonly #effects: ServerEffects<SessionConnection>
  readonly #sessionOptions: ServerSessionOptions
  readonly #sessionHost: SessionHost
  readonly #handshakeHost: HandshakeHost<I>
  #dirty: ServerSession<SessionConnection>[] = []
  #closed: Promise<void> | undefined
  #resumed = 0
  #expired = 0

  /** Use `createServer()`. */
  constructor(options: ServerOptions<I>) {
    this.#options = checkedOptions(options)
    this.#store = options.store ?? memoryStore()
    const { intervalMs, timeoutMs } = this.#options
    this.#watch = new TimedWatch(
      { ping: (connection) => void connection.ping(), reap: (connection) => this.#reap(connection) },
      intervalMs,
      timeoutMs,
    )
    this.#effects = this.#sessionEffects()
    const server = this
    const { acknowledge, maxMessageBytes, maxPendingMessages, maxPendingBytes, ttlMs } = this.#options
    const window = { messages: maxPendingMessages, bytes: maxPendingBytes }
    this.#sessionOptions = { acknowledge, maxMessageBytes, ttlMs, window }
    this.#sessionHost = {
      append: (session, data) => this.#append(session, data),
      end: (session) => this.#endGently(session),
      get topics() {
        return server.topics as TopicHub<any>
      },
    }
    this.topics = new TopicHub<I>({
      store: this.#store,
      authorize: options.authorize,
      retention: checkedRetention(options.topics),
      maxSubscriptionsPerSession: this.#options.maxSubscriptionsPerSession,
      sessions: this.#sessions,
      expect: (connection) => this.#watch.expect(connection),
      fail: (connection, code, reason) => {
        this.#gone(connection, code, reason, false)
        connection.close(code, reason)
      },
      error: (error) => this.#error(error),
      ask: (call, answered, failed) => this.#ask(call, answered, failed),
    })
    this.#connections = new Connections(this.#options, {
      hello: (connection, hello) => void this.#hello(connection, hello),
      frame: (connection, frame) => connection.session!.core.frame(now(), connection, frame),
      measured: (connection, latencyMs) => (connection.session as Session<I>).emit('latency', { latencyMs }),
      gone: (connection, code, reason) => this.#gone(connection, code, reason, false),
    })
    this.#handshakeHost = {
      store: this.#store,
      options: this.#options,
      authenticate: options.authenticate,
      sessions: this.#sessions,
      get isClosing() {
        return server.#closed !== undefined
      },
      creating: 0,
      error: (error) => this.#error(error),
    }
    this.#front = new HttpFront(
      options as ServerOptions<any>,
      this.#options,
      (webSocket, request, hello) => this.#connections.accept(webSocket, request, hello),
      (error) => this.#error(error),
    )
    this.listening = this.#front.listening
    this.listening.catch((cause: unknown) => this.#error(cause as HeartlineError))
  }

  /** A snapshot of the counters. */
  get stats(): ServerStats {
    return {
      sessions: this.#sessions.size,
      connections: this.#connections.size,
      resumed: this.#resumed,
      ghosts: this.#watch.ghosts,
      violations: this.#connections.violations,
      expired: this.#expired,
      ...this.topics.stats,
    }
  }

  /** The session of that name, connected or not; `undefined` if there is none. */
  session(id: string): Session<I> | undefined {
    return this.#sessions.get(id)
  }

  /** All sessions, connected or not. */
  sessions(): IterableIterator<Session<I>> {
    return this.#sessions.values()
  }

  /**
   * Sends a message to all who have subscribed to a topic, once and in the order of the topic, those included who come back
   * later: as long as the topic keeps it.
   *
   * Resolves when it is stored, whoever has it by then. Rejects with `ERR_STORE`; a rejection that nobody looks at does no
   * harm.
   *
   * @param topic its name, 1 to 256 characters, the first of them not `$`, whether or not anybody has subscribed; or whom it is
   * for: a subject, with all of its sessions, or a list of sessions. The server subscribes these, and they get it by the
   * `message` event of the client's session
   * @param data text, or bytes, which are copied; of at most the clients' `maxMessageBytes`, or they close
   * @returns the message's position; nothing if it is volatile
   * @throws HeartlineError `ERR_OPTION` for anything else
   */
  publish(
    topic: Target<Session<I>>,
    data: string | ArrayBuffer | ArrayBufferView,
    options: PublishOptions<I> = {},
  ): Promise<Position | undefined> {
    const payload = toPayload(data)
    numberOptions('', options, publishRules)
    const { except, volatile = false } = options
    const exceptId = except instanceof Session ? except.id : except
    if (exceptId !== undefined && typeof exceptId !== 'string')
      throw optionError('Expected `except` to be a session or the id of one.')
    const publish = (name: string): MaybePromise<Position | undefined> => {
      if (!volatile) return this.topics.publish(name, payload, exceptId)
      this.topics.publishVolatile(name, payload, exceptId)
      return undefined
    }
    checkTarget(topic)
    if (Array.isArray(topic) && !topic.every((session) => session instanceof Session))
      throw optionError('Expected to publish to a list of nothing but sessions of this server.')
    return stored(() => {
      const name = typeof topic === 'string' ? topic : this.topics.groups.topicOf(topic)
      return name instanceof Promise ? name.then(publish) : publish(name)
    })
  }

  /**
   * A topic: what it keeps, and who has subscribed. It need not be made before: every name has one.
   *
   * @param name 1 to 256 characters, the first of them not `$`
   * @param options.retain how much of it is kept, from the next message on: `maxMessages`, `maxBytes`, `maxAgeMs`. What is
   * missing is as it was, at first as in the option `topics`. It is remembered as long as the server lives, so for topics
   * without number use that option
   * @throws HeartlineError `ERR_OPTION`
   */
  topic(name: string, options: { retain?: Partial<Retention> } = {}): Topic<I> {
    checkTopicName(name)
    numberOptions('', options, topicRules)
    const { retain } = options
    if (retain) this.topics.retentions.set(name, checkedRetention(retain, this.topics.retention(name), 'retain.'))
    return new Topic<I>(this, name)
  }

  /**
   * Adds a listener.
   *
   * @returns a function that takes the listener away
   * @throws HeartlineError `ERR_OPTION`
   */
  on<Type extends keyof ServerEventMap<I>>(
    type: Type,
    listener: (event: ServerEventMap<I>[Type]) => unknown,
  ): () => void {
    checkListener(type, listener, ['session', 'ghost', 'error'])
    return this.#emitter.on(type, listener)
  }

  /**
   * Stops: takes no new connections, asks clients to move within half of `drainMs`, and closes what is left after it. Resolves
   * when all connections are gone; sessions in a memory store are gone then, too.
   *
   * @param options.drainMs milliseconds for clients to move and for handlers to finish, 0 to 2147483647. @default 0
   */
  close(options: { drainMs?: number } = {}): Promise<void> {
    const { drainMs = 0 } = options
    if (!(drainMs >= 0 && drainMs <= 2_147_483_647)) {
      const message = `Expected \`drainMs\` to be a number from 0 to 2147483647, got ${drainMs}.`
      return Promise.reject(optionError(message))
    }
    return (this.#closed ??= this.#close(drainMs))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(drainMs: number): Promise<void> {
    const freed = this.#front.close()
    if (drainMs) {
      for (const connection of this.#connections.all())
        if (connection.session) connection.transmit(encodeGoaway({ withinMs: Math.floor(drainMs / 2) }))
      await this.#connections.untilEmpty(drainMs)
    }
    for (const session of this.#sessions.values()) session.core.flush()
    for (const connection of this.#connections.all()) connection.close(CloseCode.goingAway, 'the server is closing')
    await this.#connections.untilEmpty(CLOSE_GRACE_MS)
    for (const connection of this.#connections.all()) connection.drop()
    await freed
    for (const session of this.#sessions.values()) this.#forget(session, 'shutdown')
    this.topics.close()
  }

  async #hello(connection: SessionConnection, hello: Hello): Promise<void> {
    connection.hasHello = true
    const admission = await admit(this.#handshakeHost, connection, hello)
    if (!admission) return
    const { identity, id, attachment, token, isNew, reason } = admission
    let session = this.#sessions.get(id)
    const wasHere = session !== undefined
    if (isNew) this.#handshakeHost.creating--
    if (!session) {
      session = this.#begin(id, identity, attachment)
      // Also one that the store has kept and this process has not seen: the application needs it for its listeners.
      this.#emitter.emit('session', session)
    }
    const core = session.core as OwnedSession<I>
    // The connection may have gone meanwhile: the attach counts all the same, and nobody is there.
    if (connection.isOver) {
      core.attached(undefined, hello, attachment, token, reason)
      this.#mayBeAlone(session)
      return
    }
    session.identity = identity
    connection.attached()
    connection.session = session
    clearTimeout(core.expiry)
    this.#watch.add(connection)
    const bounded = { ...hello, window: clientWindow(hello.window) }
    const resumed = core.attached(connection, bounded, attachment, token, reason)
    if (core.transport !== connection) {
      // Its position was impossible, or a newer attach was faster: then that one's connection may be gone already.
      this.#mayBeAlone(session)
      return
    }
    this.topics.attached(session, connection, bounded, wasHere)
    if (!resumed || core.transport !== connection) return
    this.#resumed++
    session.emit('resumed', resumed)
  }

  #begin(id: string, identity: I, attachment: Attachment): Session<I> {
    const session = new Session<I>(this.#sessionHost, identity)
    const core = new OwnedSession<I>(this.#effects, this.#sessionOptions, id, attachment)
    core.owner = session
    session.core = core
    this.#sessions.set(id, session)
    return session
  }

  /** An attach has displaced a connection, and may have brought none itself. */
  #mayBeAlone(session: Session<I>): void {
    if (session.isConnected) return
    this.topics.detached(session)
    this.#expireLater(session)
  }

  /** A connection is gone, or is not listened to any more. */
  #gone(connection: SessionConnection, code: number, reason: string, wasGhost: boolean): void {
    connection.isOver ||= wasGhost
    this.#watch.remove(connection)
    const session = connection.session as Session<I> | undefined
    if (!session?.core.detached(connection)) return
    this.topics.detached(session)
    session.emit('disconnected', { code, reason, wasGhost })
    this.#expireLater(session)
  }

  #reap(connection: SessionConnection): void {
    const { silenceMs } = this.#watch.silence(connection)
    this.#gone(connection, CloseCode.heartbeatTimeout, 'heartbeat timeout', true)
    connection.drop()
    this.#emitter.emit('ghost', { session: connection.session as Session<I> | undefined, silenceMs })
  }

  #expireLater(session: Session<I>): void {
    if (session.end) return
    const core = session.core as OwnedSession<I>
    const { attach } = core
    clearTimeout(core.expiry)
    core.expiry = setTimeout(() => {
      // Somebody is coming back: if the store does not let it in, it expires after another such time.
      if (core.isAttaching) return this.#expireLater(session)
      this.#expired++
      this.#finish(session, 'expired', attach)
    }, this.#options.ttlMs)
    core.expiry.unref()
  }

  /** Ends a session in the store, and then here. */
  #finish(session: Session<I>, reason: SessionEnd, attach?: number): void {
    this.#ask(
      () => this.#store.end(session.id, attach),
      () => {},
    )
    this.#forget(session, reason)
  }

  /** Frees all that is here of a session. */
  #forget(session: Session<I>, reason: SessionEnd): void {
    const core = session.core as OwnedSession<I>
    clearTimeout(core.expiry)
    this.topics.ended(session)
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id)
    const { transport } = core
    if (transport) {
      core.detached(transport)
      this.#watch.remove(transport)
      transport.close(1000, '')
    }
    session.ended(reason)
  }

  #endGently(session: Session): Promise<void> {
    return new Promise((resolve) => {
      if (session.end) return resolve()
      session.on('ended', () => resolve())
      const core = session.core as OwnedSession<I>
      const finish = (): void => {
        if (!session.end) this.#finish(session as Session<I>, 'ended')
      }
      core.isEndedHere = true
      if (!session.isConnected) return finish()
      core.end()
      setTimeout(finish, END_TIMEOUT_MS).unref()
    })
  }

  #append(session: Session, data: Payload): MaybePromise<number | undefined> {
    let appended: MaybePromise<Appended | undefined>
    try {
      appended = this.#store.append(session.id, data)
    } catch (cause) {
      return Promise.reject(storeError(cause))
    }
    if (!(appended instanceof Promise)) return noteAppended(session, appended, data.length)
    return appended.then(
      (appended) => noteAppended(session, appended, data.length),
      (cause: unknown) => {
        throw storeError(cause)
      },
    )
  }

  #sessionEffects(): ServerEffects<SessionConnection> {
    const owner = (core: ServerSession<SessionConnection>): Session<I> => (core as OwnedSession<I>).owner
    return {
      transmit: (connection, message) => connection.transmit(message),
      expect: (connection) => this.#watch.expect(connection),
      isWritable: (connection) => connection.isWritable,
      closeTransport: (connection, code, reason) => {
        if (code === CloseCode.protocolError) this.#connections.violations++
        this.#watch.remove(connection)
        connection.close(code, reason)
      },
      schedule: (core) => {
        if (this.#dirty.push(core) === 1) setImmediate(this.#flush)
      },
      deliver: (core, message: Incoming) => owner(core).deliver(message),
      retryAt: deliverAt,
      commit: (core, commit: Commit) =>
        this.#ask(
          () => this.#store.commit(core.id, commit),
          (isTaken) => {
            core.committed(commit, isTaken)
            owner(core).drained()
          },
          () => core.commitFailed(commit),
        ),
      read: (core, after) =>
        this.#ask<Slice | undefined>(
          () => this.#store.read(core.id, after),
          (slice) => slice && core.loaded(after, slice),
          () => core.readFailed(after),
        ),
      topicFrame: (core, connection, frame) => this.topics.frame(owner(core), connection, frame),
      ended: (core) =>
        this.#finish(owner(core), (core as OwnedSession<I>).isEndedHere ? 'ended' : 'closed', core.attach),
      fenced: (core, isElsewhere) => {
        if (isElsewhere) this.#forget(owner(core), 'displaced')
        else this.#expireLater(owner(core))
      },
    }
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const core of dirty) {
      core.flush()
      ;(core as OwnedSession<I>).owner.drained()
    }
  }

  /** Asks the store. @returns its answer, or `undefined` if that comes later or not at all */
  #ask<T>(call: () => MaybePromise<T>, answered: (answer: T) => void, failed?: () => void): T | undefined {
    const fail = (cause: unknown): undefined => {
      this.#error(storeError(cause))
      if (failed) setTimeout(failed, STORE_RETRY_MS).unref()
    }
    try {
      const answer = call()
      if (!(answer instanceof Promise)) return answer
      answer.then(answered, fail)
    } catch (cause) {
      return fail(cause)
    }
    return
  }

  #error(error: HeartlineError): void {
    if (this.#emitter.count('error')) this.#emitter.emit('error', error)
    else warn(error)
  }
}

/** Delivers again at an instant. A timer is early by as much as this turn of the event loop has taken before it was set. */
function deliverAt(core: ServerSession<SessionConnection>, at: number): void {
  const wake = (): void => (now() < at ? deliverAt(core, at) : core.resumeDelivery(now()))
  setTimeout(wake, at - now() + 1).unref()
}

function noteAppended(session: Session, appended: Appended | undefined, bytes: number): number | undefined {
  if (!appended) throw new HeartlineError('ERR_SESSION_CLOSED', 'The store does not know the session.')
  session.core.appended(appended.offset, bytes)
  // Half of what is not acknowledged by now.
  return appended.isFull ? appended.offset - Math.floor(session.pending / 2) : undefined
}
