import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { ServerSession, type Attachment, type ServerEffects } from '../../../src/core/server-session.ts'
import { CloseCode } from '../../../src/protocol/close-codes.ts'
import { decode } from '../../../src/protocol/decode.ts'
import { encodeGoaway, PING, PONG } from '../../../src/protocol/encode.ts'
import type { Frame, GapReason, Hello, Payload } from '../../../src/protocol/frame.ts'
import { Violation } from '../../../src/protocol/violation.ts'
import type { Refusal } from '../../../src/stores/store.ts'
import { Handler, type HandlerPlan } from './handler.ts'
import type { EventQueue } from './event-queue.ts'
import { Freezer } from './freezer.ts'
import type { StoreFront } from './store-front.ts'
import type { Wire } from './wire.ts'

export interface ServerSettings {
  readonly window: { readonly messages: number; readonly bytes: number }
  readonly acknowledge: 'handled' | 'received'
  readonly handler: HandlerPlan
  readonly ttlMs: number
}

const INTERVAL_MS = 10_000
const TIMEOUT_MS = 5_000
const HANDSHAKE_MS = 10_000

/** What a server does for topics. */
export interface TopicShell {
  /** There is a session that this process had not. */
  began(session: SimulatedSession, hello: Hello): void
  attached(session: SimulatedSession, connection: Attached, hello: Hello, isResumed: boolean): void
  detached(session: SimulatedSession): void
  ended(session: SimulatedSession): void
  frame(session: SimulatedSession, connection: Attached, frame: Frame & { readonly type: 'sub' | 'unsub' }): void
}

/** A connection as the server has it. */
export class Attached {
  session: SimulatedSession | undefined
  isOver = false
  heardAt = 0
  heardBytes = 0
  isPinged = false
  /** What it is given piles up in the process. */
  isClogged = false
  #waitsForDrain = false
  readonly wire: Wire

  constructor(wire: Wire) {
    this.wire = wire
  }

  get isWritable(): boolean {
    this.#waitsForDrain ||= this.isClogged
    return !this.isClogged
  }

  drained(): void {
    this.isClogged = false
    if (!this.#waitsForDrain) return
    this.#waitsForDrain = false
    this.session?.writable()
    this.session?.topics?.pump()
  }

  transmit(message: Payload): void {
    this.wire.send('client', message)
  }

  /** Gives it a WebSocket message as it goes to the wire. */
  share(frame: Buffer): void {
    const start = [126, 127].includes(frame[1]!) ? (frame[1] === 126 ? 4 : 10) : 2
    // Text, or bytes.
    this.transmit(frame[0] === 0x81 ? frame.toString('utf8', start) : Uint8Array.from(frame.subarray(start)))
  }

  /** SUBs that are being thought about. */
  asked = 0

  mayAnswer(): boolean {
    return true
  }

  cork(): void {}

  uncork(): void {}
}

/** A session as the server's application has it. */
export class SimulatedSession extends ServerSession<Attached> {
  /** What the application has sent, by offset. */
  inbox: Payload[] = []
  /** What it has handled. */
  readonly taken: { readonly number: number; readonly data: Payload }[] = []
  handler!: Handler
  detachedAt = Infinity
  isEnded = false
}

/** A server in virtual time: the real machine of each session, the real memory store, and a shell that decides nothing. */
export class ServerProcess {
  readonly sessions = new Map<string, SimulatedSession>()
  /** All sessions that there ever were, here or in a process before. */
  readonly history: SimulatedSession[]
  violations: string[] = []
  isDead = false
  topics: TopicShell | undefined
  readonly #queue: EventQueue
  readonly #store: StoreFront
  readonly #settings: ServerSettings
  readonly #connections = new Set<Attached>()
  readonly #effects: ServerEffects<Attached>
  #token = 0
  readonly #freezer: Freezer

  constructor(queue: EventQueue, store: StoreFront, settings: ServerSettings, history: SimulatedSession[]) {
    this.#queue = queue
    this.#freezer = new Freezer(queue)
    this.#store = store
    this.#settings = settings
    this.history = history
    this.#effects = this.#makeEffects()
    this.#watch()
  }

  /** The application sends to a session. */
  send(session: SimulatedSession, data: Payload): void {
    if (session.isEnded) return
    this.#store.append(session.id, data, (appended) => {
      if (!appended) return
      session.inbox[appended.offset] = data
      if (!this.isDead) this.#when(() => session.appended(appended.offset, data.length))
    })
  }

  goAway(withinMs: number): void {
    for (const { session, wire } of this.#connections) if (session) wire.send('client', encodeGoaway({ withinMs }))
  }

  freeze(ms: number): void {
    this.#freezer.freeze(ms)
  }

  /** Something of the process happens now, or when it is no longer frozen. */
  run(act: () => void): void {
    this.#when(act)
  }

  /** What connections are given does not leave the process for a while. */
  clog(ms: number): void {
    for (const connection of this.#connections) {
      connection.isClogged = true
      this.#queue.after(ms, () => this.#when(() => connection.drained()))
    }
  }

  /** A connection cannot be served: its client comes back. */
  fail(connection: Attached, code: number): void {
    this.#gone(connection)
    connection.wire.close('server', code)
  }

  /** The process dies, with its memory. */
  crash(): void {
    this.isDead = true
    for (const { wire } of this.#connections) wire.close('server', 1006)
  }

  accept(wire: Wire): void {
    const connection = new Attached(wire)
    wire.server = {
      received: (message) => this.#when(() => this.#received(connection, message)),
      closed: () => this.#when(() => this.#gone(connection)),
    }
    wire.deliver('server', () => {
      this.#when(() => {
        this.#connections.add(connection)
        connection.heardAt = this.#queue.now
        this.#hello(connection, wire.hello!)
      })
    })
  }

  #received(connection: Attached, message: Payload): void {
    if (connection.isOver) return
    try {
      const frame = decode(message)
      if (frame.type === 'ping') connection.wire.send('client', PONG)
      else if (frame.type !== 'pong') connection.session?.frame(this.#queue.now, connection, frame)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.violations.push(error.message)
      this.#gone(connection)
      this.#close(connection, error.closeCode)
    }
  }

  #hello(connection: Attached, hello: Hello): void {
    const number = `${this.history.length} ${this.#queue.now} ${this.#token++}`
    const token = `token ${number}`
    const { resume } = hello
    const create = (reason: GapReason | undefined): void => {
      const id = `session ${number}`
      const tokenHash = hash(token)
      this.#store.create({ session: id, subject: '', tokenHash, maxPerSubject: Infinity }, (attachment) => {
        if (attachment && !this.isDead)
          this.#when(() => this.#attached(connection, hello, id, attachment, token, reason))
      })
    }
    if (!resume) return create(undefined)
    const refused = this.sessions.get(resume.session)?.refuses(resume)
    if (refused) return create(refused)
    const request = {
      session: resume.session,
      subject: '',
      tokenHash: hash(resume.token),
      nextTokenHash: hash(token),
      sent: resume.sent,
      attempt: resume.attempt ?? 0,
    }
    const session = this.sessions.get(resume.session)
    session?.attaching()
    this.#store.attach(request, (answer: Attachment | Refusal | undefined) => {
      if (this.isDead) return
      this.#when(() => {
        if (answer === 'late') this.#close(connection, CloseCode.superseded)
        else if (typeof answer === 'string') create(answer)
        else if (answer) this.#attached(connection, hello, resume.session, answer, token, undefined)
        session?.attachAnswered(!answer)
      })
    })
  }

  #attached(
    connection: Attached,
    hello: Hello,
    id: string,
    attachment: Attachment,
    token: string,
    reason: GapReason | undefined,
  ): void {
    let session = this.sessions.get(id)
    const wasHere = session !== undefined
    if (!session) {
      session = this.#begin(id, attachment)
      this.sessions.set(id, session)
      this.topics?.began(session, hello)
    }
    if (connection.isOver) {
      session.attached(undefined, hello, attachment, token, reason)
      if (!session.transport) session.detachedAt = this.#queue.now
      return
    }
    connection.session = session
    session.detachedAt = Infinity
    session.attached(connection, hello, attachment, token, reason)
    if (session.transport === connection) this.topics?.attached(session, connection, hello, wasHere)
  }

  #begin(id: string, attachment: Attachment): SimulatedSession {
    const { window, acknowledge, ttlMs } = this.#settings
    const session = new SimulatedSession(
      this.#effects,
      { window, acknowledge, maxMessageBytes: 100_000, ttlMs },
      id,
      attachment,
    )
    session.handler = new Handler(this.#queue, this.#settings.handler, {
      done: (isHandled) =>
        this.#when(() => {
          if (isHandled) session.handled(this.#queue.now)
          else session.failed(this.#queue.now)
        }),
    })
    // An attach whose answer was lost may have kept it alive in the store, though it has expired here: the same inbox goes on.
    const before = this.history.find((other) => other.id === id)
    if (before) session.inbox = before.inbox
    this.history.push(session)
    return session
  }

  #makeEffects(): ServerEffects<Attached> {
    const own = (session: ServerSession<Attached>) => session as SimulatedSession
    return {
      transmit: ({ wire }, message) => wire.send('client', message),
      expect: () => {},
      isWritable: (connection) => connection.isWritable,
      closeTransport: (connection, code) => this.#close(connection, code),
      schedule: (session) => this.#queue.after(0, () => this.#when(() => session.flush())),
      deliver: (session, message) =>
        own(session).handler.deliver(() => own(session).taken.push({ number: message.number, data: message.data })),
      retryAt: (session, at) =>
        this.#queue.after(at - this.#queue.now, () => this.#when(() => session.resumeDelivery(this.#queue.now))),
      commit: (session, commit) =>
        this.#store.commit(session.id, commit, (isTaken) => {
          this.#when(() => {
            if (isTaken === undefined) this.#queue.after(1_000, () => this.#when(() => session.commitFailed(commit)))
            else session.committed(commit, isTaken)
          })
        }),
      read: (session, after) =>
        this.#store.read(session.id, after, (slice) => {
          this.#when(() => {
            if (slice) session.loaded(after, slice)
            else this.#queue.after(1_000, () => this.#when(() => session.readFailed(after)))
          })
        }),
      topicFrame: (session, connection, frame) => this.topics?.frame(own(session), connection, frame),
      ended: (session) => this.#end(own(session)),
      fenced: (session, isElsewhere) => {
        own(session).detachedAt = this.#queue.now
        if (!isElsewhere || this.sessions.get(session.id) !== session) return
        this.topics?.ended(own(session))
        this.sessions.delete(session.id)
      },
    }
  }

  #end(session: SimulatedSession): void {
    session.isEnded = true
    this.topics?.ended(session)
    this.sessions.delete(session.id)
    this.#store.end(session.id, session.attach)
  }

  #gone(connection: Attached): void {
    connection.isOver = true
    this.#connections.delete(connection)
    const { session } = connection
    if (!session?.detached(connection)) return
    session.detachedAt = this.#queue.now
    this.topics?.detached(session)
  }

  #close(connection: Attached, code: number): void {
    if (connection.isOver && !this.#connections.has(connection)) return
    connection.isOver = true
    this.#connections.delete(connection)
    connection.wire.close('server', code)
  }

  /** Looks for dead connections and expired sessions, coarsely. */
  #watch(): void {
    this.#queue.after(1_000, () => {
      if (this.isDead) return
      this.#when(() => {
        const { now } = this.#queue
        for (const connection of this.#connections) {
          const { wire } = connection
          if (!connection.session) {
            if (now - connection.heardAt > HANDSHAKE_MS) this.#close(connection, CloseCode.handshakeTimeout)
            continue
          }
          if (wire.arrivedAtServer !== connection.heardBytes) {
            connection.heardBytes = wire.arrivedAtServer
            connection.heardAt = now
            connection.isPinged = false
          } else if (now - connection.heardAt > INTERVAL_MS + TIMEOUT_MS && connection.isPinged) {
            this.#gone(connection)
            wire.close('server', CloseCode.heartbeatTimeout)
          } else if (now - connection.heardAt > INTERVAL_MS && !connection.isPinged) {
            connection.isPinged = true
            wire.send('client', PING)
          }
        }
        for (const session of this.sessions.values())
          if (!session.transport && !session.isAttaching && now - session.detachedAt > this.#settings.ttlMs)
            this.#end(session)
      })
      this.#watch()
    })
  }

  #when(run: () => void): void {
    this.#freezer.when(() => {
      if (!this.isDead) run()
    })
  }
}

const hash = (token: string): string => createHash('sha256').update(token).digest('base64url')
