import { CloseCode } from './close-codes.ts'
import type { Frame, From, Hello, Payload } from './frame.ts'
import { HELLO_PREFIX, MAX_BATCH_MESSAGES, MAX_DIGITS, MAX_HEADER, MAX_TOPIC_NAME } from './limits.ts'
import { Violation } from './violation.ts'

/** Numbers of the header that is being read. One array for all, never cut: reading a frame allocates nothing but the frame. */
const numbers: number[] = []
/** How many of them there are. */
let count = 0

const position: Shape = { generation: 'string', offset: 'count' }
const window: Shape = { messages: 'count', bytes: 'count' }
const sub: Shape = { ref: 'count', topic: 'topic', from: 'from' }

/** What each field of a JSON body has to be, by the letter of its frame. A trailing `?` marks what may be left out. */
const bodies: Record<string, Shape> = {
  H: {
    'resume?': {
      session: 'string',
      token: 'string',
      position,
      sent: 'count',
      'attempt?': 'count',
    },
    window,
    'topics?': [sub],
  },
  W: {
    session: 'string',
    token: 'string',
    generation: 'string',
    resumed: 'boolean',
    'reason?': 'string',
    received: 'count',
    accepted: 'count',
    last: 'count',
    window,
    maxMessageBytes: 'count',
    ttlMs: 'count',
  },
  R: { code: 'count', reason: 'string', 'retryAfterMs?': 'count' },
  G: { 'topic?': 'count', from: 'count', to: 'count', reason: 'string' },
  Y: { withinMs: 'count' },
  S: sub,
  O: { ref: 'count', topic: 'topic', id: 'count', generation: 'string', offset: 'count', last: 'count' },
  U: { ref: 'count', 'topic?': 'topic', 'reason?': 'string', 'pause?': 'boolean' },
}
const bodyTypes = {
  H: 'hello',
  W: 'welcome',
  R: 'reject',
  G: 'gap',
  Y: 'goaway',
  S: 'sub',
  O: 'subbed',
  U: 'unsub',
} as const

/** As in headers: what a body says has to fit into the header that answers it. */
const MAX_COUNT = 10 ** MAX_DIGITS - 1

type Shape = 'string' | 'boolean' | 'count' | 'topic' | 'from' | readonly [Shape] | { readonly [field: string]: Shape }

/**
 * Reads one WebSocket message as a frame.
 *
 * @throws Violation `protocolError` for anything that PROTOCOL.md does not describe
 */
export function decode(message: Payload): Frame {
  const isText = typeof message === 'string'
  const header = isText ? message : headerOf(message)
  const letter = header[0] ?? ''
  const start = readNumbers(header)
  const isData = letter === 'D' || letter === 'B'
  if (isData || letter === 'T' || letter === 'V') {
    // How many numbers come before the lengths of a batch.
    const own = letter === 'V' ? 1 : 2
    if (start > header.length || count < own) throw malformed('no header')
    const isSingle = count === own
    if ((isData && isSingle !== (letter === 'D')) || count === own + 1 || count > MAX_BATCH_MESSAGES + own)
      throw malformed('count')
    const payloads: Payload[] = isSingle ? [rest(message, start)] : split(message, start, own)
    const [one, two] = numbers as [number, number]
    // Whoever has the last of them has to be able to say so.
    if (own > 1 && (isData ? one : two) + payloads.length - 1 > MAX_COUNT) throw malformed('number')
    if (isData) return { type: 'data', first: one, ack: two, payloads }
    if (own === 1) return { type: 'volatile', topic: one, payloads }
    return { type: 'tdata', topic: one, first: two, payloads }
  }
  if (!isText) throw malformed('binary')
  const isBare = start > header.length
  if (isBare) {
    if (letter === 'P' && count < 2) return { type: 'ping', latencyMs: count ? numbers[0] : undefined }
    if (letter === 'Q' && !count) return { type: 'pong' }
    if (letter === 'A' && count === 1) return { type: 'ack', ack: numbers[0]!, messages: undefined, bytes: undefined }
    if (letter === 'A' && count === 3) return { type: 'ack', ack: numbers[0]!, messages: numbers[1], bytes: numbers[2] }
    if (letter === 'K' && count === 3)
      return { type: 'skip', topic: numbers[0]!, first: numbers[1]!, last: numbers[2]! }
    if (letter === 'N' && count === 1) return { type: 'nack', expected: numbers[0]! }
    if (letter === 'E' && count === 2) return { type: 'bye', last: numbers[0]!, ack: numbers[1]! }
  } else if (!count && Object.hasOwn(bodies, letter)) {
    const type = bodyTypes[letter as keyof typeof bodyTypes]
    return { type, body: parse(message.slice(start), letter) } as Frame
  }
  throw malformed('unknown')
}

/**
 * Reads a HELLO from an entry of `Sec-WebSocket-Protocol`.
 *
 * @returns `undefined` if the entry is another one
 * @throws Violation `protocolError` if it is malformed
 */
export function decodeHelloEntry(entry: string): Hello | undefined {
  if (!entry.startsWith(HELLO_PREFIX)) return
  let json: string
  try {
    json = decodeURIComponent(entry.slice(HELLO_PREFIX.length))
  } catch {
    throw malformed('hello')
  }
  return parse(json, 'H') as Hello
}

/** The header of a binary message as text, its space included. */
function headerOf(message: Uint8Array): string {
  const end = message.subarray(0, MAX_HEADER).indexOf(32)
  return end < 0 ? '' : String.fromCharCode.apply(undefined, message.subarray(0, end + 1) as never)
}

/** Reads the numbers after the type letter. @returns where the payload begins; beyond the text if there is none */
function readNumbers(header: string): number {
  count = 0
  const end = Math.min(header.length, MAX_HEADER)
  let index = 1
  while (index < end && header.charCodeAt(index) !== 32) {
    const from = index
    let value = 0
    for (; index < end; index++) {
      const digit = header.charCodeAt(index) - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    const digits = index - from
    // One form for each number: no sign, no leading zero.
    if (!digits || digits > MAX_DIGITS || (digits > 1 && header.charCodeAt(from) === 48)) throw malformed('number')
    numbers[count++] = value
    if (index < end && header.charCodeAt(index) === 44) {
      if (++index === end || header.charCodeAt(index) === 32) throw malformed('number')
    } else if (index < end && header.charCodeAt(index) !== 32) throw malformed('header')
  }
  if (index === MAX_HEADER) throw malformed('long header')
  return index + 1
}

const rest = (message: Payload, from: number): Payload =>
  typeof message === 'string' ? message.slice(from) : message.subarray(from)

function split(message: Payload, start: number, own: number): Payload[] {
  const payloads: Payload[] = []
  let from = start
  for (let index = own; index < count; index++) {
    const to = from + numbers[index]!
    payloads.push(typeof message === 'string' ? message.slice(from, to) : message.subarray(from, to))
    from = to
  }
  if (from !== message.length) throw malformed('lengths')
  return payloads
}

function parse(json: string, letter: string): unknown {
  let body: unknown
  try {
    body = JSON.parse(json, withoutPrototype)
  } catch {
    throw malformed('JSON')
  }
  if (!fits(body, bodies[letter]!)) throw malformed('body')
  return body
}

/** A member of this name would become the prototype of whatever the application copies its object into. */
const withoutPrototype = (key: string, value: unknown): unknown => (key === '__proto__' ? undefined : value)

function fits(value: unknown, shape: Shape): boolean {
  if (shape === 'count') return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_COUNT
  if (shape === 'topic') return isTopicName(value)
  if (shape === 'from') return isFrom(value)
  if (typeof shape === 'string') return typeof value === shape
  if (typeof value !== 'object' || !value) return false
  if (isList(shape)) return Array.isArray(value) && value.every((item) => fits(item, shape[0]))
  return Object.entries(shape).every(([field, inner]) => {
    const name = field.replace('?', '')
    const isGiven = Object.hasOwn(value, name)
    return isGiven ? fits((value as Record<string, unknown>)[name], inner) : name !== field
  })
}

const isList = (shape: object): shape is readonly [Shape] => Array.isArray(shape)

/** Whether a topic can have this name. */
export const isTopicName = (name: unknown): name is string =>
  typeof name === 'string' && name.length > 0 && name.length <= MAX_TOPIC_NAME

/** Whether a subscription can begin there. */
export const isFrom = (from: unknown): from is From =>
  from === 'now' || from === 'first' || fits(from, { last: 'count' }) || fits(from, position)

const malformed = (what: string): Violation => new Violation(CloseCode.protocolError, `malformed frame: ${what}`)
