import { CloseCode } from '../protocol/close-codes.ts'
import { decode } from '../protocol/decode.ts'
import { encodeAck, encodeBye, encodeHello, encodeHelloEntry, encodeTopicAck, PING, PONG } from '../protocol/encode.ts'
import type { Frame, From, GapReason, Hello, Payload, Welcome } from '../protocol/frame.ts'
import { MAX_HELLO_ENTRY, PROTOCOL } from '../protocol/limits.ts'
import { Violation } from '../protocol/violation.ts'
import { answerTimeMs } from './answer-time.ts'
import type { ClientSubscription, ClientTopicEffects } from './client-subscription.ts'
import { ClientTopics } from './client-topics.ts'
import { Connection, type ConnectionState, type RetryPolicy } from './connection.ts'
import { Inflow, type Incoming, type IncomingGap, type InflowOptions } from './inflow.ts'
import { Latency } from './latency.ts'
import type { Ending, LinkTiming } from './link.ts'
import { EAGER_BYTES, EAGER_MESSAGES, Outflow } from './outflow.ts'
import { SessionOutbox, type Fate, type Outgoing, type SessionOutboxOptions } from './session-outbox.ts'

export interface Resumed {
  /** Messages that were sent once more. */
  readonly sent: number
  /** Messages of the server that were missed and now follow. */
  readonly received: number
}

/** What a client session makes its shell do. Effects come when the state is consistent. */
export interface ClientEffects<M extends Outgoing, S> extends ClientTopicEffects<S> {
  /** Ask the providers, make a transport with what {@link ClientSession.hello} returns. */
  connect(): void
  /** Give the transport one WebSocket message. */
  transmit(message: Payload): void
  /** Begin the closing handshake. */
  closeTransport(): void
  /** Drop the transport without waiting for it, then tell the application about the state. */
  ended(ending: Ending): void
  /** Call {@link ClientSession.flush} at the end of this turn of the event loop. */
  schedule(): void
  deliver(message: Incoming): boolean
  gap(gap: IncomingGap): void
  resumed(resumed: Resumed): void
  /** Fates are told in order. */
  settled(message: M, fate: Fate): void
  /** These were given up; those of them that went into a transport may have arrived. */
  lost(messages: readonly M[]): void
  latency(latencyMs: number): void
  /** The state is another one. */
  changed(): void
  random(): number
}

export interface ClientSessionOptions extends InflowOptions, SessionOutboxOptions {
  readonly timing: LinkTiming
}

/** Longest time that the acknowledgement of a received message waits for company. */
const ACK_DELAY_MS = 50

interface Identity {
  readonly session: string
  readonly token: string
  readonly generation: string
}

/**
 * The client's end of a session, which outlives its transports.
 *
 * A {@link Connection} decides when there is a transport; it counts as open when the server's WELCOME is there. What the
 * application sends stays in the outbox until it is acknowledged. A number belongs to a message from the first time that it
 * goes into a transport, and to no other message of the session ever after.
 *
 * ```
 *   start ──▶ connecting ── WELCOME ──▶ open ─────────────────────── BYE ───┐
 *                ▲ due, wake             │ ended, hide                      │
 *                └── waiting, suspended ◀┘                                  ▼
 *                        │ close()                                       closing ──▶ closed
 *                        ▼                                                  ▲           ▲
 *             draining: the same four ──────── all is acknowledged: BYE ────┘           │
 *                        └───────────────────── `closeTimeoutMs` ───────────────────────┤
 *   any of them ──────────────── an end that is not worth another attempt ──────────────┘
 * ```
 *
 * @see ARCHITECTURE.md#states-of-a-client-session
 */
export class ClientSession<M extends Outgoing, S = unknown> {
  readonly connection: Connection
  readonly topics: ClientTopics<S>
  readonly #effects: ClientEffects<M, S>
  readonly #options: ClientSessionOptions
  readonly #inflow: Inflow
  readonly #outflow = new Outflow()
  readonly #latency = new Latency()
  readonly #outbox: SessionOutbox<M>
  #identity: Identity | undefined
  /** HELLOs that asked for a session. */
  #attempts = 0
  /** Last acknowledgement that the current transport was given, and when the next one is due. */
  #acknowledged = 0
  #acknowledgedBytes = 0
  #ackAt = Infinity
  /** When data that is on its way has waited long enough for a probe, and how long that is. */
  #expectAt = Infinity
  #expectMs = 0
  /** Since when nothing was heard after data went out; only the first data counts. */
  #unansweredAt = 0
  #isUnanswered = false
  /** When the round trip has not been heard of for too long. */
  #measureAt = Infinity
  #isScheduled = false
  /** Bytes that were taken since the last flush. */
  #queuedBytes = 0
  /** How long the server wants us to stay away. */
  #retryAfterMs = 0
  /** `close()` was called: by then the rest has to be acknowledged. */
  #endAt = Infinity
  #isEnding = false
  /** When to leave a server that goes away. */
  #moveAt = Infinity

  constructor(effects: ClientEffects<M, S>, options: ClientSessionOptions, retry: RetryPolicy) {
    this.#effects = effects
    this.#options = options
    this.#inflow = new Inflow(effects, options)
    this.#outbox = new SessionOutbox(options, (message, fate) => effects.settled(message, fate))
    this.topics = new ClientTopics(effects, options.window, options.maxMessageBytes)
    this.connection = new Connection(
      {
        connect: () => {
          effects.connect()
        },
        probe: () => {
          effects.transmit(PING)
          return true
        },
        ended: (ending) => this.#ended(ending),
      },
      options.timing,
      {
        next: (ending, upMs, isAlone) => {
          const delayMs = retry.next(ending, upMs, isAlone)
          // Spread above the floor, or all that were refused together would come back together.
          return delayMs === undefined ? delayMs : delayMs + this.#retryAfterMs
        },
      },
    )
  }

  /** Public name of the session; `undefined` before the first WELCOME. */
  get id(): string | undefined {
    return this.#identity?.session
  }

  get state(): ConnectionState {
    const { state } = this.connection
    return this.#isEnding && state !== 'closed' ? 'closing' : state
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.#outbox.pending
  }

  /** Smoothed round trip: measured here, or told by the server. */
  get latencyMs(): number | undefined {
    return this.connection.heartbeat?.latency.smoothedMs ?? this.#latency.smoothedMs
  }

  /** Instant at which {@link tick} wants to be called next. */
  get deadline(): number {
    const { deadline } = this.connection
    if (deadline === Infinity && this.connection.readyState > 2) return Infinity
    const own = Math.min(this.#ackAt, this.#expectAt, this.#measureAt, this.#endAt, this.#moveAt)
    return Math.min(deadline, own, this.#inflow.retryAt, this.topics.ackAt, this.topics.retryAt)
  }

  /** Which HELLO the next transport has to carry: inside its upgrade request, or as its first message. */
  hello(auth: unknown): { readonly protocols: string[]; readonly first: string | undefined } {
    const { window } = this.#options
    const identity = this.#identity
    const hello: Hello = {
      ...(identity && {
        resume: {
          session: identity.session,
          token: identity.token,
          position: { generation: identity.generation, offset: this.#inflow.received },
          sent: this.#outbox.used,
          attempt: ++this.#attempts,
        },
      }),
      ...(auth !== undefined && { auth }),
      window,
    }
    const topics = this.topics.hello(encodeHelloEntry(hello).length)
    const whole = topics.length ? { ...hello, topics } : hello
    const entry = encodeHelloEntry(whole)
    const fits = entry.length <= MAX_HELLO_ENTRY
    return { protocols: fits ? [PROTOCOL, entry] : [PROTOCOL], first: fits ? undefined : encodeHello(whole) }
  }

  /** A WebSocket message came in. */
  received(now: number, message: Payload): void {
    const { state } = this.connection
    // There is no transport that it could have come over, or it is no longer listened to.
    if (state !== 'connecting' && state !== 'open') return
    try {
      this.#take(now, decode(message))
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.connection.ended(now, error.closeCode, error.message, false)
    }
  }

  /** The largest message that the server takes, as far as is known. */
  get maxMessageBytes(): number {
    return this.#outbox.maxMessageBytes
  }

  /** Takes a message. @returns whether there was room, or it waits for some; `false` after `close()` */
  send(message: M): boolean {
    if (this.#isEnding || this.connection.readyState > 1) return false
    const hasRoom = this.#outbox.add(message)
    if (hasRoom) {
      this.#queuedBytes += message.data.length
      this.#schedule()
    }
    return hasRoom !== false
  }

  /** So much is queued that it should go now: then the other side works while this one goes on. */
  get isEager(): boolean {
    const queued = this.#outbox.last - this.#outflow.sent
    return (queued >= EAGER_MESSAGES || this.#queuedBytes >= EAGER_BYTES) && this.#outflow.room > 0
  }

  /** The application has handled the message that it was given last. */
  handled(now: number): void {
    this.#inflow.handled()
    this.#deliver(now)
  }

  /** The application could not handle it. */
  failed(now: number): void {
    this.#inflow.failed(now)
  }

  /** Subscribes to a topic, now or as soon as there is a connection. @returns `undefined` after `close()` */
  subscribe(topic: string, from: From, hasSnapshot: boolean): ClientSubscription<S> | undefined {
    if (this.#isEnding || this.connection.readyState > 1) return
    return this.topics.subscribe(topic, from, hasSnapshot)
  }

  /** The application has handled what it was given of a topic… */
  topicHandled(now: number, subscription: ClientSubscription<S>): void {
    this.topics.handled(now, subscription)
    this.#acknowledgeTopics(now)
  }

  /** …or could not handle it. */
  topicFailed(now: number, subscription: ClientSubscription<S>): void {
    this.topics.failed(now, subscription)
  }

  /** There is somebody now who takes messages. */
  resumeDelivery(now: number): void {
    this.#deliver(now)
  }

  /** Gives the transport all that the window takes. */
  flush(now: number): void {
    this.#isScheduled = false
    this.#queuedBytes = 0
    if (this.connection.readyState !== 1) return
    const outbox = this.#outbox
    const outflow = this.#outflow
    const ack = this.#inflow.acknowledged
    let wasSent = false
    for (;;) {
      const message = outflow.take(outbox, ack)
      if (message === undefined) break
      outbox.sent(outflow.sent)
      this.#effects.transmit(message)
      if (this.connection.readyState !== 1) return
      wasSent = true
    }
    if (wasSent) {
      this.#expectMs = answerTimeMs(this.connection.heartbeat?.latency.smoothedMs, outflow.bytes)
      if (!this.#isUnanswered) this.#unansweredAt = now
      this.#isUnanswered = true
      this.#expectAt = Math.min(this.#expectAt, now + this.#expectMs)
      this.#acknowledged = ack
      this.#acknowledgedBytes = this.#inflow.handledBytes
    }
    if (this.#isEnding && !this.pending) this.#bye(now)
  }

  wake(now: number): void {
    this.connection.wake(now)
  }

  hide(now: number): void {
    this.connection.hide(now)
  }

  tick(now: number, sentBytes: number, queuedBytes: number): void {
    if (now >= this.#endAt) this.#giveUp(now)
    if (now >= this.#moveAt) {
      // As after a wake-up: not in the queue with those that lost the server.
      this.connection.ended(now, CloseCode.goingAway, 'moving', true)
      this.connection.wake(now)
    }
    if (now >= this.#measureAt) this.#measure(now)
    if (now >= this.#expectAt) {
      // What was answered meanwhile has not moved the timer: traffic would move it with every message.
      const dueAt = this.#isUnanswered ? this.#unansweredAt + this.#expectMs : Infinity
      this.#expectAt = now < dueAt ? dueAt : Infinity
      if (now >= dueAt) this.#ask(now, this.#expectMs)
    }
    if (now >= this.#ackAt) {
      this.#ackAt = Infinity
      // Data may have taken it along.
      if (this.#inflow.acknowledged > this.#acknowledged) this.#acknowledge()
    }
    this.topics.tick(now)
    this.#acknowledgeTopics(now)
    if (now >= this.#inflow.retryAt) this.#deliver(now)
    this.connection.tick(now, sentBytes, queuedBytes)
  }

  /** The application wants the end, once all is acknowledged, at the latest after `closeTimeoutMs`. Final. */
  close(now: number): void {
    if (this.#isEnding || this.connection.readyState > 1) return
    this.#isEnding = true
    this.#endAt = now + this.#options.timing.closeTimeoutMs
    this.#effects.changed()
    if (!this.pending) {
      if (this.connection.readyState === 1) this.#bye(now)
      else this.#giveUp(now)
    }
  }

  #take(now: number, frame: Frame): void {
    const { connection } = this
    if (connection.readyState !== 1) {
      // Before the WELCOME, nothing else may come.
      if (frame.type === 'welcome') this.#welcome(now, frame.body)
      else if (frame.type === 'reject') {
        const { code, reason, retryAfterMs = 0 } = frame.body
        this.#retryAfterMs = retryAfterMs
        connection.ended(now, code, reason, true)
        this.#retryAfterMs = 0
      } else throw new Violation(CloseCode.protocolError, 'no welcome')
      return
    }
    connection.received(now, frame.type === 'pong')
    this.#isUnanswered = false
    switch (frame.type) {
      case 'data':
        // All of the frame counts, or nothing.
        if (frame.ack <= this.#outflow.sent) this.#inflow.take(frame.first, frame.payloads)
        this.#accept(frame.ack)
        this.#deliver(now)
        break
      case 'ack':
        if (frame.messages !== undefined) throw new Violation(CloseCode.protocolError, 'unexpected counts')
        this.#accept(frame.ack)
        break
      case 'gap':
        if (frame.body.topic !== undefined) {
          this.topics.gap(now, frame.body.topic, frame.body)
          break
        }
        if (frame.body.from !== this.#inflow.received + 1 || frame.body.to < frame.body.from)
          throw new Violation(CloseCode.outOfOrder, 'gap out of order')
        this.#inflow.skip({ ...frame.body, generation: this.#identity!.generation })
        this.#deliver(now)
        break
      case 'ping':
        this.#effects.transmit(PONG)
        if (frame.latencyMs !== undefined) this.#measured(now, frame.latencyMs)
        break
      case 'pong':
        this.#measured(now, connection.heartbeat?.latency.smoothedMs)
        break
      case 'goaway':
        this.#moveAt = Math.min(this.#moveAt, now + this.#effects.random() * frame.body.withinMs)
        break
      case 'bye': {
        const wasEnding = this.#isEnding
        this.#accept(frame.ack)
        this.#isEnding = true
        this.#bye(now)
        if (!wasEnding) this.#effects.changed()
        break
      }
      case 'nack':
        break
      case 'subbed':
      case 'unsub':
      case 'tdata':
      case 'volatile':
      case 'skip':
        this.topics.frame(now, frame)
        break
      default:
        throw new Violation(CloseCode.protocolError, `unexpected ${frame.type}`)
    }
    this.#acknowledgeTopics(now)
  }

  #welcome(now: number, welcome: Welcome): void {
    const { session, token, generation, resumed, received, accepted, last, window, maxMessageBytes } = welcome
    const former = this.#identity
    const isPossible = resumed
      ? session === former?.session &&
        accepted <= received &&
        received <= this.#outbox.used &&
        received >= this.#outbox.oldest - 1
      : !received && !accepted
    if (!isPossible) throw new Violation(CloseCode.protocolError, 'impossible welcome')
    const isContinued = resumed && generation === former!.generation
    if (isContinued && last < this.#inflow.received) throw new Violation(CloseCode.protocolError, 'impossible welcome')
    if ((!isContinued && this.#inflow.isCrowded) || this.topics.isOverfull)
      throw new Violation(CloseCode.tryLater, 'too much waits for the application')
    this.#identity = { session, token, generation }
    this.#outbox.maxMessageBytes = maxMessageBytes
    this.#moveAt = Infinity
    this.#acknowledged = -1
    const replayed = isContinued ? last - this.#inflow.received : 0
    const sent = resumed ? this.#outbox.used - received : 0
    if (isContinued) this.#inflow.begin()
    else if (former) this.#gap(former, resumed ? 'generation' : (welcome.reason ?? 'unknown'))
    if (!isContinued) this.#inflow.reset(session, 0)
    const lost = resumed ? [] : this.#outbox.startAnew()
    if (!resumed) this.#outflow.reset()
    this.#outflow.begin(received, Math.min(accepted, this.#outbox.oldest - 1), window)
    this.connection.opened(now)
    this.#measureAt = now + this.#options.timing.heartbeat!.intervalMs
    this.#accept(accepted)
    this.#outbox.rejectTooLarge()
    // The first frame proves to the server that its token has arrived.
    this.#acknowledge()
    this.topics.opened(resumed)
    if (lost.length) this.#effects.lost(lost)
    this.#effects.changed()
    if (isContinued) this.#effects.resumed({ sent, received: replayed })
    this.#deliver(now)
    this.#schedule()
  }

  /** The inbox from our position to its unknown end is gone. */
  #gap({ generation }: Identity, reason: GapReason): void {
    this.#inflow.skip({ from: this.#inflow.received + 1, to: undefined, generation, reason })
  }

  /** The server acknowledges all up to a number. */
  #accept(number: number): void {
    const outbox = this.#outbox
    if (!this.#outflow.acknowledge(number))
      throw new Violation(CloseCode.protocolError, 'acknowledgement of what was not sent')
    outbox.acknowledge(number)
    if (outbox.hasMessages || this.#isEnding) this.#schedule()
  }

  #deliver(now: number): void {
    // What belongs to a session that is over is not acknowledged, so it is not handed over; but what was acknowledged on
    // receipt is nobody else's any more.
    if (this.connection.readyState > 2 && this.#options.acknowledge === 'handled') return
    this.#inflow.deliver(now)
    const owed = this.#inflow.acknowledged - this.#acknowledged
    if (this.connection.readyState !== 1 || owed <= 0) return
    const { messages, bytes } = this.#options.window
    // The server must not come to the end of the window, whichever it is.
    if (owed >= messages / 4 || this.#inflow.handledBytes - this.#acknowledgedBytes >= bytes / 4) this.#acknowledge()
    else this.#ackAt = Math.min(this.#ackAt, now + ACK_DELAY_MS)
  }

  #acknowledge(): void {
    // Also where nothing can be sent any more: else the timer would fire all the time.
    this.#ackAt = this.topics.ackAt = Infinity
    if (this.connection.readyState !== 1) return
    this.#acknowledged = this.#inflow.acknowledged
    this.#acknowledgedBytes = this.#inflow.handledBytes
    const { owes, messages, bytes } = this.topics
    this.#effects.transmit(owes ? encodeTopicAck(this.#acknowledged, messages, bytes) : encodeAck(this.#acknowledged))
    this.topics.acknowledged()
  }

  #acknowledgeTopics(now: number): void {
    if (now >= this.topics.ackAt) this.#acknowledge()
  }

  /** While data goes both ways nobody has to ask for a sign of life, and nobody would know the round trip. */
  #measure(now: number): void {
    this.#measureAt = now + this.#options.timing.heartbeat!.intervalMs
    this.#ask(now, Infinity)
  }

  /** Asks for a sign of life, and tells how long the last one took. */
  #ask(now: number, leastMs: number): void {
    const { latencyMs, connection } = this
    if (connection.readyState === 1 && connection.heartbeat!.wake(now, leastMs))
      this.#effects.transmit(latencyMs === undefined ? PING : PING + Math.round(latencyMs))
  }

  #measured(now: number, latencyMs: number | undefined): void {
    if (latencyMs === undefined) return
    this.#measureAt = now + this.#options.timing.heartbeat!.intervalMs
    this.#latency.smoothedMs = latencyMs
    this.#effects.latency(latencyMs)
  }

  /** The end does not wait any longer for what is missing. */
  #giveUp(now: number): void {
    this.#endAt = Infinity
    this.connection.close(now)
    this.connection.ended(now, 1006, 'closing timeout', false)
  }

  #bye(now: number): void {
    if (this.connection.readyState !== 1) return
    this.#effects.transmit(encodeBye(this.#outbox.used, this.#inflow.acknowledged))
    this.#endAt = this.#moveAt = Infinity
    if (this.connection.close(now)) this.#effects.closeTransport()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#effects.schedule()
  }

  #ended(ending: Ending): void {
    this.#ackAt = this.#moveAt = this.#expectAt = this.#measureAt = Infinity
    this.#isUnanswered = false
    const isOver = this.connection.readyState > 2
    const lost = isOver ? this.#outbox.end() : []
    this.topics.closed()
    if (isOver) {
      this.#endAt = this.#inflow.retryAt = Infinity
      this.topics.over()
    }
    if (lost.length) this.#effects.lost(lost)
    this.#effects.ended(ending)
  }
}
