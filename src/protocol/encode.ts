import type { Gap, Goaway, Hello, Payload, Reject, Sub, Subbed, Unsub, Welcome } from './frame.ts'
import { HELLO_PREFIX } from './limits.ts'

export const PING = 'P'
export const PONG = 'Q'

export const encodeHello = (body: Hello): string => `H ${JSON.stringify(body)}`
export const encodeWelcome = (body: Welcome): string => `W ${JSON.stringify(body)}`
export const encodeReject = (body: Reject): string => `R ${JSON.stringify(body)}`
export const encodeGap = (body: Gap): string => `G ${JSON.stringify(body)}`
export const encodeGoaway = (body: Goaway): string => `Y ${JSON.stringify(body)}`
export const encodeSub = (body: Sub): string => `S ${JSON.stringify(body)}`
export const encodeSubbed = (body: Subbed): string => `O ${JSON.stringify(body)}`
export const encodeUnsub = (body: Unsub): string => `U ${JSON.stringify(body)}`
export const encodeSkip = (topic: number, first: number, last: number): string => `K${topic},${first},${last}`
export const encodeAck = (ack: number): string => `A${ack}`
/** @param messages so many messages of topics were taken on this connection, with so many bytes */
export const encodeTopicAck = (ack: number, messages: number, bytes: number): string => `A${ack},${messages},${bytes}`
export const encodeNack = (expected: number): string => `N${expected}`
export const encodeBye = (last: number, ack: number): string => `E${last},${ack}`

/** A HELLO as an entry of `Sec-WebSocket-Protocol`. */
export const encodeHelloEntry = (body: Hello): string => HELLO_PREFIX + encodeToken(JSON.stringify(body))

/** Percent-encoded, which leaves only characters of a token. */
export const encodeToken = (text: string): string =>
  // Two that `encodeURIComponent` leaves alone are not allowed in a token (RFC 9110, section 5.6.2).
  encodeURIComponent(text).replace(/[()]/g, (char) => (char === '(' ? '%28' : '%29'))

/**
 * Consecutive messages of one kind, numbered from `first`, in one WebSocket message: DATA for one, BATCH for more.
 *
 * @param ack the last number of the other direction that is acknowledged
 */
export const encodeData = (first: number, ack: number, payloads: readonly Payload[]): Payload =>
  encodeMessages(`${payloads.length < 2 ? 'D' : 'B'}${first},${ack}`, payloads)

/** Consecutive messages of one kind of a topic: the same for all subscribers. */
export const encodeTopicData = (topic: number, first: number, payloads: readonly Payload[]): Payload =>
  encodeMessages(`T${topic},${first}`, payloads)

/** Messages of one kind of a topic that have no offset. */
export const encodeVolatile = (topic: number, payloads: readonly Payload[]): Payload =>
  encodeMessages(`V${topic}`, payloads)

function encodeMessages(header: string, payloads: readonly Payload[]): Payload {
  if (payloads.length > 1) for (const { length } of payloads) header += `,${length}`
  header += ' '
  if (typeof payloads[0] === 'string') return header + (payloads.length < 2 ? payloads[0] : payloads.join(''))
  let { length } = header
  for (const payload of payloads) length += payload.length
  const message = new Uint8Array(length)
  for (let index = 0; index < header.length; index++) message[index] = header.charCodeAt(index)
  let end = header.length
  for (const payload of payloads as readonly Uint8Array[]) {
    message.set(payload, end)
    end += payload.length
  }
  return message
}
