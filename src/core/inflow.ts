import { CloseCode } from '../protocol/close-codes.ts'
import type { Gap, Payload, Window } from '../protocol/frame.ts'
import { MAX_BATCH_BYTES } from '../protocol/limits.ts'
import { Violation } from '../protocol/violation.ts'
import { Delivery } from './delivery.ts'

/** One message on its way to the application. */
export class Incoming {
  readonly data: Payload
  /** Its number in the stream. */
  readonly number: number
  /** The session that it belongs to. */
  readonly session: string
  /** What it takes of the window: itself, and what came in the same frame for nothing but keeps its memory as long as this does. */
  readonly bytes: number
  /** How often it has been handed to the application before. */
  failures = 0

  constructor(data: Payload, number: number, session: string, bytes: number) {
    this.data = data
    this.number = number
    this.session = session
    this.bytes = bytes
  }

  /** The same for each delivery of this message, and for no other message. */
  get id(): string {
    return `${this.session}:${this.number}`
  }
}

/** A hole in the stream. `to` is missing where nobody knows how much was lost. */
export interface IncomingGap extends Omit<Gap, 'to'> {
  readonly session: string
  readonly generation: string
  readonly to: number | undefined
  failures: number
}

export interface InflowEffects {
  /**
   * Hand a message to the application.
   *
   * @returns whether it has been handled; otherwise {@link Inflow.handled} or {@link Inflow.failed} follows
   */
  deliver(message: Incoming): boolean
  /** Tell the application. */
  gap(gap: IncomingGap): void
}

export interface InflowOptions {
  readonly window: Window
  readonly maxMessageBytes: number
  /** Acknowledge what has been handled by the application, or what has been received. */
  readonly acknowledge: 'handled' | 'received'
}

/** Each of them may hold a window. */
const MAX_FORMER_STREAMS = 4

/**
 * The receiving end of a stream: takes each number once, hands the messages to the application one after the other, and
 * knows what may be acknowledged.
 *
 * A message that the application fails to handle is delivered again, later and later; all behind it waits, since order is
 * kept and nothing is skipped.
 */
export class Inflow extends Delivery<Incoming | IncomingGap> {
  /** Last number that was received, or that a gap covers. */
  received = 0
  /** Bytes of all messages that were ever handled. */
  handledBytes = 0
  readonly #options: InflowOptions
  readonly #effects: InflowEffects
  #session = ''
  /** Bytes of this stream that wait. */
  #bytes = 0
  /** How many at the head of the queue belong to streams before this one, of the same session or another. */
  #former = 0
  /** How many streams those are of, at most. */
  #formerStreams = 0
  /** The number that the next DATA of this transport must have; unknown before the first one. */
  #next: number | undefined

  constructor(effects: InflowEffects, options: InflowOptions) {
    super()
    this.#effects = effects
    this.#options = options
  }

  /** Up to which number the peer may forget its messages. */
  acknowledged = 0

  /** Whether all that was received has been handled. */
  get isIdle(): boolean {
    return !this.queue.length
  }

  /** So many streams have ended before the application was done with them that another one has to wait. */
  get isCrowded(): boolean {
    return this.queue.length > 0 && this.#formerStreams >= MAX_FORMER_STREAMS
  }

  /** A stream begins, after the number that is known to be handled. What waits of the one before is still delivered. */
  reset(session: string, handled: number): void {
    this.#session = session
    this.#formerStreams = this.queue.length ? this.#formerStreams + 1 : 0
    this.#former = this.queue.length
    this.#bytes = 0
    this.received = this.acknowledged = handled
    this.#next = undefined
  }

  /** There is a new transport. */
  begin(): void {
    this.#next = undefined
  }

  /**
   * Messages came in.
   *
   * @throws Violation `outOfOrder` if their numbers do not follow; `tooLarge` if the window is exceeded
   */
  take(first: number, payloads: readonly Payload[]): void {
    if (this.#next === undefined ? first > this.received + 1 || !first : first !== this.#next)
      throw new Violation(CloseCode.outOfOrder, 'out of order')
    this.#next = first + payloads.length
    const { window, maxMessageBytes } = this.#options
    let bytes = 0
    for (let index = 0; index < payloads.length; index++) {
      const data = payloads[index]!
      if (data.length > maxMessageBytes) throw new Violation(CloseCode.tooLarge, 'message too large')
      bytes += data.length
      if (first + index <= this.received) continue
      this.#bytes += bytes
      this.queue.push(new Incoming(data, ++this.received, this.#session, bytes))
      bytes = 0
    }
    // A frame that repeats something before what is new counts as a whole, since all of it is kept alive.
    const spareBytes = Math.max(maxMessageBytes, MAX_BATCH_BYTES)
    if (this.#bytes > this.#windows * window.bytes + spareBytes) throw exceeded()
    this.#checkWaiting()
    this.#acknowledgeReceived()
  }

  /** The peer cannot send these any more. @throws Violation `tooLarge` if the window is exceeded: holes take room, too */
  skip(gap: Omit<IncomingGap, 'session' | 'failures'>): void {
    if (gap.to !== undefined) {
      this.#next = gap.to + 1
      this.received = gap.to
    }
    this.queue.push({ ...gap, session: this.#session, failures: 0 })
    if (gap.to !== undefined) this.#checkWaiting()
  }

  protected override hand(item: Incoming | IncomingGap): boolean {
    if (item instanceof Incoming) return this.#effects.deliver(item)
    // It counts as handled before anybody is told.
    this.handled()
    this.#effects.gap(item)
    return false
  }

  protected override done(item: Incoming | IncomingGap): void {
    if (item instanceof Incoming) this.handledBytes += item.data.length
    if (this.#former) this.#former--
    else {
      if (item instanceof Incoming) this.#bytes -= item.bytes
      // A hole of unknown size is the last of its stream.
      this.acknowledged = Math.max(this.acknowledged, item instanceof Incoming ? item.number : (item.to ?? 0))
    }
    this.#acknowledgeReceived()
  }

  /** Messages and holes of this stream that wait. */
  get #waiting(): number {
    return this.queue.length - this.#former
  }

  /** What is acknowledged on receipt may wait here once more, see {@link #acknowledgeReceived}. */
  get #windows(): number {
    return this.#acknowledgesOnReceipt ? 2 : 1
  }

  #checkWaiting(): void {
    if (this.#waiting > this.#windows * this.#options.window.messages) throw exceeded()
  }

  get #acknowledgesOnReceipt(): boolean {
    return this.#options.acknowledge === 'received'
  }

  /** On receipt, unless a window's worth of messages waits for the application: it would have no bound. */
  #acknowledgeReceived(): void {
    const { messages, bytes } = this.#options.window
    if (this.#acknowledgesOnReceipt && this.#waiting <= messages && this.#bytes <= bytes)
      this.acknowledged = this.received
  }
}

const exceeded = (): Violation => new Violation(CloseCode.tooLarge, 'window exceeded')
