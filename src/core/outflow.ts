import { encodeData } from '../protocol/encode.ts'
import type { Payload, Window } from '../protocol/frame.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from '../protocol/limits.ts'

/** What went out in one WebSocket message. */
interface Flight {
  readonly last: number
  readonly bytes: number
}

/** With so much queued, a flush does not wait for the end of the turn. */
export const EAGER_MESSAGES = 16
export const EAGER_BYTES = 8_192

/** Nothing in flight. One for all: most sessions are idle. */
const NONE: Flight[] = []

/** Consecutive messages of a log; the log itself, or a part that was read from it. */
export interface Slice {
  /** Offset of the first message; later than what was asked for if the log's head has been trimmed. */
  readonly first: number
  /** Offset of the last message. */
  readonly last: number
  /** The message at an offset from {@link first} to {@link last}. */
  at(offset: number): Payload
}

/**
 * The sending end of a stream over one transport: a cursor into a log, and a window. It holds no messages.
 *
 * Offsets `acked + 1` to `sent` are in flight. What is in flight is counted by acknowledgements, since `bufferedAmount`
 * stays 0 while kernels swallow megabytes on a path that may be dead.
 */
export class Outflow {
  /** Last offset that the current transport was given. */
  sent = 0
  /** Last offset that the peer has acknowledged, on any transport. */
  acked = 0
  #window: Window = { messages: 0, bytes: 0 }
  #flights = NONE
  #bytes = 0

  /** Begins on a new transport, behind what the peer has already received. Of that, what it has not acknowledged still counts. */
  begin(received: number, acked: number, window: Window): void {
    this.sent = received
    this.acked = acked
    this.#window = window
    if (this.#flights.length) this.#flights = this.#flights.filter(({ last }) => last <= received)
    this.#bytes = 0
    for (const { bytes } of this.#flights) this.#bytes += bytes
  }

  /** Begins on a new stream. */
  reset(): void {
    this.#flights = NONE
  }

  /** Bytes in flight. */
  get bytes(): number {
    return this.#bytes
  }

  /** How many more messages the window takes now. */
  get room(): number {
    return this.#bytes < this.#window.bytes ? this.#window.messages - (this.sent - this.acked) : 0
  }

  /** The peer has all up to `offset`. @returns whether that can be */
  acknowledge(offset: number): boolean {
    if (offset > this.sent) return false
    this.acked = Math.max(this.acked, offset)
    let count = 0
    for (const { last, bytes } of this.#flights) {
      if (last > offset) break
      this.#bytes -= bytes
      count++
    }
    if (count) this.#flights.splice(0, count)
    return true
  }

  /** Goes over messages that the peer is told to do without. They are in flight like others, until it has taken note. */
  skipTo(offset: number): void {
    this.sent = offset
  }

  /**
   * Takes as many of the next messages as fit into one WebSocket message and into the window.
   *
   * @param ack what it acknowledges of the other direction
   * @returns `undefined` if none fits
   */
  take(slice: Slice, ack: number): Payload | undefined {
    const end = Math.min(slice.last, this.sent + Math.min(this.room, MAX_BATCH_MESSAGES))
    if (end <= this.sent) return
    const first = slice.at(this.sent + 1)
    const windowBytes = this.#window.bytes - this.#bytes
    // A message that is larger than the window goes when nothing else is in flight.
    if (this.#bytes && first.length > windowBytes) return
    const freeBytes = Math.min(MAX_BATCH_BYTES, windowBytes)
    const payloads = [first]
    let bytes = first.length
    for (let offset = this.sent + 2; offset <= end; offset++) {
      const payload = slice.at(offset)
      if (typeof payload !== typeof first || bytes + payload.length > freeBytes) break
      bytes += payload.length
      payloads.push(payload)
    }
    const message = encodeData(this.sent + 1, ack, payloads)
    this.sent += payloads.length
    this.#bytes += bytes
    if (this.#flights === NONE) this.#flights = []
    this.#flights.push({ last: this.sent, bytes })
    return message
  }
}
