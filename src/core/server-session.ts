import { CloseCode } from '../protocol/close-codes.ts'
import { encodeAck, encodeBye, encodeGap, encodeNack, encodeWelcome } from '../protocol/encode.ts'
import type { Frame, GapReason, Hello, Payload, Resume, Welcome, Window } from '../protocol/frame.ts'
import { Violation } from '../protocol/violation.ts'
import { Inflow, type Incoming, type InflowEffects, type InflowOptions } from './inflow.ts'
import { EAGER_BYTES, EAGER_MESSAGES, Outflow, type Slice } from './outflow.ts'
import type { Subscriber } from './subscriber.ts'

/** What the store said when a connection attached to a session. */
export interface Attachment {
  /** Rises with every attach; the store refuses what is written under an older one. */
  readonly attach: number
  readonly generation: string
  /** Last number of the client that the store has taken note of. */
  readonly accepted: number
  /** Last offset of the inbox. */
  readonly last: number
}

/** What is written for a session. */
export interface Commit {
  readonly attach: number
  /** The client's messages up to this number are done. */
  readonly accepted: number
  /** The client needs the inbox up to this offset no more. */
  readonly acked: number
  /** The client has its new token: the former one is no longer valid. */
  readonly isConfirmed: boolean
}

/** What server sessions make their shell do. One for all sessions; `T` is the shell's connection. */
export interface ServerEffects<T> {
  /** Give a connection one WebSocket message. */
  transmit(transport: T, message: Payload): void
  /** Data was given to a connection: its peer has to be heard soon. */
  expect(transport: T): void
  /** Whether the connection takes more at all: bytes that have not left the process are a second brake. */
  isWritable(transport: T): boolean
  /** Close a connection. */
  closeTransport(transport: T, code: number, reason: string): void
  /** Call {@link ServerSession.flush} at the end of this turn of the event loop. */
  schedule(session: ServerSession<T>): void
  /** @returns whether the message has been handled; otherwise `handled` or `failed` follows */
  deliver(session: ServerSession<T>, message: Incoming): boolean
  /** A message waits for its next delivery until then. */
  retryAt(session: ServerSession<T>, at: number): void
  /**
   * Write into the store, under the attach number of the session.
   *
   * @returns whether the store took it (`false`: another attach is newer); `undefined` if
   * {@link ServerSession.committed} follows
   */
  commit(session: ServerSession<T>, commit: Commit): boolean | undefined
  /** @returns messages of the inbox after an offset; `undefined` if {@link ServerSession.loaded} follows */
  read(session: ServerSession<T>, after: number): Slice | undefined
  /** The client subscribes to a topic, or unsubscribes. */
  topicFrame(session: ServerSession<T>, transport: T, frame: Frame & { readonly type: 'sub' | 'unsub' }): void
  /** Both sides are done with the session. */
  ended(session: ServerSession<T>): void
  /**
   * The session can write no more, and has no connection.
   *
   * @param isElsewhere another process has it now; otherwise nobody knows, and a client that comes back here finds it
   */
  fenced(session: ServerSession<T>, isElsewhere: boolean): void
}

export interface ServerSessionOptions extends InflowOptions {
  readonly ttlMs: number
}

/**
 * ```
 *   start ──▶ detached ── attached ──▶ unconfirmed ── first frame ──▶ attached
 *                ▲                                                       │ end()
 *                │ connection gone                                       ▼
 *   any with a connection                  byeSent ◀─ all acknowledged ─ ending
 *                │ BYE comes
 *                ▼
 *             leaving ── all is handled, and the store knows ──▶ ended
 *
 *   any ── the store refuses a commit, since another process has the session ──▶ fenced
 * ```
 *
 * @see ARCHITECTURE.md#states-of-a-server-session
 */
export type ServerSessionState =
  'detached' | 'unconfirmed' | 'attached' | 'ending' | 'byeSent' | 'leaving' | 'ended' | 'fenced'

/**
 * The server's end of a session: at most one connection, a place in the inbox, and what the client has sent.
 *
 * A new attach displaces the connection before it at once, whatever is known of that one. What the displaced one still
 * brings is not looked at; should it belong to another process, the store refuses what is written for it.
 */
export class ServerSession<T> implements InflowEffects {
  readonly id: string
  readonly generation: string
  /** The connection, if there is one. */
  transport: T | undefined
  /** Number of the attach that it belongs to. */
  attach = 0
  /** Last offset of the inbox. */
  last: number
  /** What the client takes of the inbox, and of all topics together. */
  window: Window | undefined
  /** Its subscriptions; made by the shell when there is a first one. */
  topics: Subscriber<T, unknown> | undefined
  readonly #effects: ServerEffects<T>
  readonly #options: ServerSessionOptions
  readonly #inflow: Inflow
  readonly #outflow = new Outflow()
  /** What the store was last told… */
  #asked: Commit
  /** …what it has taken note of, and what of that the client knows. */
  #accepted: number
  #acknowledged = 0
  /** The client has sent a frame, so it has its WELCOME. */
  #isConfirmed = false
  /** How many attaches the store has not answered, and whether it has refused a commit meanwhile. */
  #attaches = 0
  #isRefused = false
  /** An attach failed that the store may have made all the same. */
  #mayBeOurs = false
  #isScheduled = false
  /** Bytes that were appended since the last flush. */
  #queuedBytes = 0
  /** Behind which offset the store is being asked for messages. */
  #readingAfter: number | undefined
  #loaded: Slice | undefined
  /** The application wants the end. */
  #isEnding = false
  #isByeSent = false
  /** What the client says is its last number. */
  #lastOfClient = Infinity
  /** Why there is nothing more to come. */
  #end: 'ended' | 'fenced' | undefined

  constructor(effects: ServerEffects<T>, options: ServerSessionOptions, id: string, attachment: Attachment) {
    this.id = id
    this.generation = attachment.generation
    this.last = attachment.last
    this.#effects = effects
    this.#options = options
    this.#accepted = attachment.accepted
    this.#asked = { attach: 0, accepted: attachment.accepted, acked: 0, isConfirmed: false }
    this.#inflow = new Inflow(this, options)
    this.#inflow.reset(id, attachment.accepted)
  }

  /** What it is doing. A session that has been left stays so until it ends, whoever attaches. */
  get state(): ServerSessionState {
    if (this.#end) return this.#end
    if (this.transport === undefined) return 'detached'
    if (this.#lastOfClient < Infinity) return 'leaving'
    if (this.#isByeSent) return 'byeSent'
    if (this.#isEnding) return 'ending'
    return this.#isConfirmed ? 'attached' : 'unconfirmed'
  }

  /** Offset up to which the client has acknowledged the inbox. */
  get acked(): number {
    return this.#outflow.acked
  }

  /** Last number that has been received of the client. */
  get received(): number {
    return this.#inflow.received
  }

  /** Messages on their way that the client has not acknowledged, those of topics included. */
  get inFlight(): number {
    return this.transport === undefined ? 0 : this.#outflow.sent - this.#outflow.acked + (this.topics?.inFlight ?? 0)
  }

  /** Whether some of them are of the inbox: those are acknowledged without delay. */
  get isInboxInFlight(): boolean {
    return this.#outflow.sent > this.#outflow.acked
  }

  /** Bytes of payload on their way. */
  get inFlightBytes(): number {
    return this.#outflow.bytes + (this.topics?.inFlightBytes ?? 0)
  }

  /** Why a HELLO cannot resume this session. A client that has not sent what we have received is not the one we had. */
  refuses({ sent }: Resume): GapReason | undefined {
    return sent < this.received ? 'forked' : undefined
  }

  /** The store is asked for an attach. Until it answers, its refusals may be due to that. */
  attaching(): void {
    this.#attaches++
  }

  /** Whether the store is being asked for an attach: then nobody should give the session up. */
  get isAttaching(): boolean {
    return this.#attaches > 0
  }

  /** The store has answered, and its answer has been taken into account. Or it has failed, and nobody knows what it did. */
  attachAnswered(hasFailed: boolean): void {
    this.#attaches--
    this.#mayBeOurs ||= hasFailed
    if (!this.#attaches && this.#isRefused) this.#fence()
  }

  /**
   * A connection has attached, and the store has agreed.
   *
   * @param transport missing if the connection is gone by now
   * @param token the new token, for the client alone
   * @param reason why the session that the client asked for was not resumed, if it asked for one
   * @returns how much is sent once more in both directions, if the session was resumed
   */
  attached(
    transport: T | undefined,
    hello: Hello,
    attachment: Attachment,
    token: string,
    reason?: GapReason,
  ): { readonly sent: number; readonly received: number } | undefined {
    if (this.#end) {
      if (transport !== undefined) this.#effects.closeTransport(transport, CloseCode.goingAway, 'the session is over')
      return
    }
    // Replies of the store may cross: the newest attach counts.
    if (attachment.attach < this.attach) {
      if (transport !== undefined) this.#effects.closeTransport(transport, CloseCode.superseded, 'superseded')
      return
    }
    const former = this.transport
    const resume = reason ? undefined : hello.resume
    this.attach = attachment.attach
    this.last = Math.max(this.last, attachment.last)
    this.#accepted = Math.max(this.#accepted, attachment.accepted)
    if (this.#accepted > this.#inflow.received) this.#inflow.reset(this.id, this.#accepted)
    this.#inflow.begin()
    this.#asked = { attach: this.attach, accepted: this.#accepted, acked: 0, isConfirmed: false }
    this.#isConfirmed = this.#isByeSent = this.#isRefused = this.#mayBeOurs = false
    this.#loaded = this.#readingAfter = undefined
    const position = resume?.position.generation === this.generation ? resume.position.offset : 0
    const isPossible = position <= this.last
    this.topics?.end()
    this.transport = isPossible ? transport : undefined
    if (former !== undefined) this.#effects.closeTransport(former, CloseCode.superseded, 'superseded')
    if (transport === undefined) {
      this.#schedule()
      return
    }
    if (!isPossible) {
      this.#effects.closeTransport(transport, CloseCode.protocolError, 'impossible position')
      return
    }
    this.window = hello.window
    this.#outflow.begin(position, Math.min(position, this.#outflow.acked), hello.window)
    const { window, maxMessageBytes, ttlMs } = this.#options
    const welcome: Welcome = {
      session: this.id,
      token,
      generation: this.generation,
      resumed: !!resume,
      ...(reason && { reason }),
      received: this.#inflow.received,
      accepted: this.#accepted,
      last: this.last,
      window,
      maxMessageBytes,
      ttlMs,
    }
    this.#acknowledged = this.#accepted
    this.#effects.transmit(transport, encodeWelcome(welcome))
    // What was missed follows at once.
    this.flush()
    return resume && { sent: this.last - position, received: Math.max(0, resume.sent - welcome.received) }
  }

  /** A frame came in over a connection. @throws Violation */
  frame(now: number, transport: T, frame: Frame): void {
    // What a displaced connection still brings is for nobody.
    if (transport !== this.transport) return
    switch (frame.type) {
      case 'data':
        // All of the frame counts, or nothing.
        if (frame.ack <= this.#outflow.sent) this.#take(transport, frame.first, frame.payloads)
        this.#acknowledge(frame.ack)
        this.resumeDelivery(now)
        break
      case 'ack': {
        const { messages, bytes } = frame
        // Who has had no topics has handled none.
        if ((messages || bytes) && !this.topics?.acknowledge(messages!, bytes!)) throw notSent()
        this.#acknowledge(frame.ack)
        break
      }
      case 'sub':
      case 'unsub':
        this.#effects.topicFrame(this, transport, frame)
        break
      case 'bye':
        if (frame.last !== this.#inflow.received) throw new Violation(CloseCode.outOfOrder, 'bye out of order')
        this.#acknowledge(frame.ack)
        this.#lastOfClient = frame.last
        this.#schedule()
        break
      default:
        throw new Violation(CloseCode.protocolError, `unexpected ${frame.type}`)
    }
    if (this.#isConfirmed) return
    this.#isConfirmed = true
    this.#schedule()
  }

  /** A connection is gone. @returns whether it was the session's */
  detached(transport: T): boolean {
    if (transport !== this.transport) return false
    this.#leave()
    return true
  }

  /** The inbox has grown, to this offset at least. */
  appended(last: number, bytes: number): void {
    this.last = Math.max(this.last, last)
    this.#queuedBytes += bytes
    const isEager = last - this.#outflow.sent >= EAGER_MESSAGES || this.#queuedBytes >= EAGER_BYTES
    // So much goes at once: then the client works while this side goes on.
    if (isEager && this.transport !== undefined && this.#outflow.room > 0) this.flush()
    else this.#schedule()
  }

  /** The application has handled the message that it was given last. */
  handled(now: number): void {
    this.#inflow.handled()
    this.resumeDelivery(now)
  }

  /** The application could not handle it. */
  failed(now: number): void {
    this.#inflow.failed(now)
    const { retryAt } = this.#inflow
    if (retryAt < Infinity) this.#effects.retryAt(this, retryAt)
  }

  /** Hands over what waits: there is somebody now who takes messages, or it is time for another delivery. */
  resumeDelivery(now: number): void {
    this.#inflow.deliver(now)
    if (this.#inflow.acknowledged > this.#asked.accepted || this.#lastOfClient < Infinity) this.#schedule()
  }

  /** Messages of the inbox behind `after` are there. An answer to a question of a connection before is not taken. */
  loaded(after: number, slice: Slice): void {
    if (after !== this.#readingAfter) return
    this.#readingAfter = undefined
    this.#loaded = slice
    this.flush()
  }

  /** The store has answered {@link ServerEffects.commit}. */
  committed(commit: Commit, isTaken: boolean): void {
    if (commit.attach !== this.attach || this.#end) return
    if (!isTaken) return this.#refused()
    this.#accepted = Math.max(this.#accepted, commit.accepted)
    this.flush()
  }

  /** The store could not be reached: the next flush tries once more. */
  commitFailed(commit: Commit): void {
    if (commit.attach !== this.attach) return
    this.#asked = { ...this.#asked, accepted: this.#accepted, acked: 0, isConfirmed: false }
    this.#schedule()
  }

  /** The store could not be read. */
  readFailed(after: number): void {
    if (after !== this.#readingAfter) return
    this.#readingAfter = undefined
    this.#schedule()
  }

  /** The application ends the session: when the client has acknowledged all that was sent to it. */
  end(): void {
    this.#isEnding = true
    this.#schedule()
  }

  /** The connection takes data again. */
  writable(): void {
    this.#schedule()
  }

  /** Gives the connection what the window takes, and acknowledges what the store has taken note of. */
  flush(): void {
    this.#isScheduled = false
    this.#queuedBytes = 0
    if (this.#end) return
    this.#commit()
    const { transport } = this
    if (transport !== undefined) {
      if (!this.#isByeSent) this.#send(transport)
      if (this.#acknowledged < this.#accepted && this.#effects.isWritable(transport)) {
        this.#acknowledged = this.#accepted
        this.#effects.transmit(transport, encodeAck(this.#accepted))
      }
    }
    this.#endIfDone(transport)
  }

  /** For {@link Inflow}. What is not accepted of a session that another process has is handled there, and waits here for ever. */
  deliver(message: Incoming): boolean {
    return !(this.#end && message.number > this.#accepted) && this.#effects.deliver(this, message)
  }

  /** For {@link Inflow}. What a client sends has no gaps. */
  gap(): void {}

  #take(transport: T, first: number, payloads: readonly Payload[]): void {
    try {
      this.#inflow.take(first, payloads)
    } catch (error) {
      if (error instanceof Violation && error.closeCode === CloseCode.outOfOrder)
        this.#effects.transmit(transport, encodeNack(this.#inflow.received + 1))
      throw error
    }
  }

  #acknowledge(offset: number): void {
    const { acked } = this.#outflow
    if (!this.#outflow.acknowledge(offset)) throw notSent()
    if (this.#outflow.acked > acked) this.#schedule()
  }

  #commit(): void {
    const accepted = this.#inflow.acknowledged
    const { acked } = this.#outflow
    const isConfirmed = this.#isConfirmed
    const asked = this.#asked
    if (accepted <= asked.accepted && acked <= asked.acked && isConfirmed === asked.isConfirmed) return
    this.#asked = { attach: this.attach, accepted, acked, isConfirmed }
    const isTaken = this.#effects.commit(this, this.#asked)
    if (isTaken === false) this.#refused()
    else if (isTaken) this.#accepted = accepted
  }

  #send(transport: T): void {
    const outflow = this.#outflow
    while (outflow.sent < this.last && outflow.room > 0 && this.#effects.isWritable(transport)) {
      const slice = this.#nextSlice()
      if (!slice) return
      if (slice.first > outflow.sent + 1) {
        const to = Math.min(slice.first - 1, this.last)
        this.#effects.transmit(transport, encodeGap({ from: outflow.sent + 1, to, reason: 'overflow' }))
        outflow.skipTo(to)
        continue
      }
      const message = outflow.take(slice, this.#accepted)
      if (message === undefined) return
      this.#acknowledged = this.#accepted
      this.#effects.transmit(transport, message)
      this.#effects.expect(transport)
    }
  }

  /** Messages that begin behind what was sent, or later. */
  #nextSlice(): Slice | undefined {
    const { sent } = this.#outflow
    const loaded = this.#loaded
    if (loaded && loaded.last > sent) return loaded
    this.#loaded = undefined
    if (this.#readingAfter !== undefined) return
    const slice = this.#effects.read(this, sent)
    if (!slice) this.#readingAfter = sent
    return slice
  }

  #endIfDone(transport: T | undefined): void {
    if (this.#accepted >= this.#lastOfClient && this.#inflow.isIdle) {
      this.#lastOfClient = Infinity
      this.#end = 'ended'
      this.#leave()
      if (transport !== undefined) {
        // If it has had ours, its own was the answer.
        if (!this.#isByeSent) this.#effects.transmit(transport, encodeBye(this.#outflow.sent, this.#accepted))
        this.#effects.closeTransport(transport, 1000, '')
      }
      this.#effects.ended(this)
    } else if (this.#isEnding && !this.#isByeSent && transport !== undefined && this.acked >= this.last) {
      this.#isByeSent = true
      this.#effects.transmit(transport, encodeBye(this.last, this.#accepted))
    }
  }

  /** There is no connection any more. */
  #leave(): void {
    this.topics?.end()
    this.transport = undefined
  }

  #refused(): void {
    this.#isRefused = true
    if (!this.#attaches) this.#fence()
  }

  #fence(): void {
    this.#isRefused = false
    this.#lastOfClient = Infinity
    const { transport } = this
    this.#leave()
    if (transport !== undefined) this.#effects.closeTransport(transport, CloseCode.superseded, 'superseded')
    if (!this.#mayBeOurs) this.#end = 'fenced'
    this.#effects.fenced(this, !this.#mayBeOurs)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#effects.schedule(this)
  }
}

const notSent = (): Violation => new Violation(CloseCode.protocolError, 'acknowledgement of what was not sent')
