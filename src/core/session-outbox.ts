import type { Payload } from '../protocol/frame.ts'
import { MessageLog } from './message-log.ts'
import type { Slice } from './outflow.ts'

/** A message that the application has sent. The shell keeps the promise in it. */
export interface Outgoing {
  readonly data: Payload
  /** It was given to a transport, and may have arrived. */
  wasSent: boolean
}

/** What became of a message: acknowledged; lost with its session or by `close()`; or never to be taken. */
export type Fate = 'accepted' | 'lost' | 'tooLarge'

export interface SessionOutboxOptions {
  /** What may be unacknowledged. */
  readonly maxMessages: number
  readonly maxBytes: number
  /** What is too much waits for room; otherwise it is refused. */
  readonly waitsForRoom: boolean
}

/**
 * All that a client has sent and that is not acknowledged. A message's offset is its number, once it has been sent. It is also
 * a slice, of payloads.
 */
export class SessionOutbox<M extends Outgoing> implements Slice {
  readonly first = 1
  /** Highest number that went into any transport of this session. */
  used = 0
  /** The largest message that the server takes, as far as is known. */
  maxMessageBytes = Infinity
  readonly #options: SessionOutboxOptions
  readonly #settled: (message: M, fate: Fate) => void
  #log = newLog<M>()
  /** What waits for room. */
  #waiting: M[] = []

  /** @param settled fates are told in order */
  constructor(options: SessionOutboxOptions, settled: (message: M, fate: Fate) => void) {
    this.#options = options
    this.#settled = settled
  }

  /** Offset of the last message that has room. */
  get last(): number {
    return this.#log.last
  }

  /** Offset of the oldest message that is not acknowledged. */
  get oldest(): number {
    return this.#log.first
  }

  at(number: number): Payload {
    return this.#log.at(number).data
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.#log.size + this.#waiting.length
  }

  /** Whether there are messages with room. */
  get hasMessages(): boolean {
    return this.#log.size > 0
  }

  /** @returns whether it has room; `undefined` if it waits for some, `false` if it is refused */
  add(message: M): boolean | undefined {
    if (!this.#waiting.length && this.#hasRoom(message)) {
      this.#log.append(message)
      return true
    }
    if (!this.#options.waitsForRoom) return false
    this.#waiting.push(message)
    return
  }

  /** All up to a number went into a transport. */
  sent(number: number): void {
    while (this.used < number) this.#log.at(++this.used).wasSent = true
  }

  /** The server has acknowledged all up to a number: there is room for what has waited. */
  acknowledge(number: number): void {
    const log = this.#log
    for (let next = log.first; next <= number; next++) this.#settled(log.at(next), 'accepted')
    log.trimTo(number)
    while (this.#waiting.length && this.#hasRoom(this.#waiting[0]!)) {
      const message = this.#waiting.shift()!
      // It may have come before the limit was known.
      if (message.data.length > this.maxMessageBytes) this.#settled(message, 'tooLarge')
      else log.append(message)
    }
  }

  /** The session is another one. @returns what went into a transport of the former one and is not acknowledged */
  startAnew(): M[] {
    const messages = [...this.#log.after(0)]
    this.#log = newLog()
    this.used = 0
    const lost = messages.filter((message) => message.wasSent)
    // What never left is sure not to have arrived: it goes to the new session.
    for (const message of messages) if (!message.wasSent) this.#log.append(message)
    for (const message of lost) this.#settled(message, 'lost')
    return lost
  }

  /** What was held before the server's limit was known. Such messages have no number yet, so that the others keep theirs. */
  rejectTooLarge(): void {
    const isTooLarge = (message: M) => !message.wasSent && message.data.length > this.maxMessageBytes
    const messages = [...this.#log.after(0)]
    if (!messages.some(isTooLarge)) return
    const log = newLog<M>(this.#log.first - 1)
    for (const message of messages) {
      if (isTooLarge(message)) this.#settled(message, 'tooLarge')
      else log.append(message)
    }
    this.#log = log
  }

  /** Nothing more can be sent. @returns what is lost */
  end(): M[] {
    const lost = [...this.#log.after(0), ...this.#waiting]
    this.#log = newLog()
    this.#waiting = []
    for (const message of lost) this.#settled(message, 'lost')
    return lost
  }

  #hasRoom({ data }: M): boolean {
    const { size, bytes } = this.#log
    const { maxMessages, maxBytes } = this.#options
    // One that is larger than all the room goes alone.
    return !size || (size < maxMessages && bytes + data.length <= maxBytes)
  }
}

function newLog<M extends Outgoing>(last = 0): MessageLog<M> {
  const log = new MessageLog<M>(({ data }) => data.length)
  log.last = last
  return log
}
