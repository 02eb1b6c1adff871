import { CloseCode } from './close-codes.ts'
import type { Frame, Hello, Payload } from './frame.ts'
import { HELLO_PREFIX, MAX_BATCH_MESSAGES, MAX_DIGITS, MAX_HEADER } from './limits.ts'
import { Violation } from './violation.ts'

/** Numbers of the header that is being read. One array for all, never cut: reading a frame allocates nothing but the frame. */
const numbers: number[] = []
/** How many of them there are. */
let count = 0

/** What each field of a JSON body has to be, by the letter of its frame. A trailing `?` marks what may be left out. */
const bodies: Record<string, Shape> = {
  H: {
    'resume?': {
      session: 'string',
      token: 'string',
      position: { generation: 'string', offset: 'count' },
      sent: 'count',
      'attempt?': 'count',
    },
    window: { messages: 'count', bytes: 'count' },
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
    window: { messages: 'count', bytes: 'count' },
    maxMessageBytes: 'count',
    ttlMs: 'count',
  },
  R: { code: 'count', reason: 'string', 'retryAfterMs?': 'count' },
  G: { from: 'count', to: 'count', reason: 'string' },
  Y: { withinMs: 'count' },
}
const bodyTypes = { H: 'hello', W: 'welcome', R: 'reject', G: 'gap', Y: 'goaway' } as const

/** As in headers: what a body says has to fit into the header that answers it. */
const MAX_COUNT = 10 ** MAX_DIGITS - 1

interface Shape {
  readonly [field: string]: 'string' | 'boolean' | 'count' | Shape
}

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
  if (letter === 'D' || letter === 'B') {
    if (start > header.length || count < 2) throw malformed('no header')
    const isSingle = letter === 'D'
    if (isSingle ? count > 2 : count < 4 || count > MAX_BATCH_MESSAGES + 2) throw malformed('count')
    const payloads: Payload[] = isSingle ? [rest(message, start)] : split(message, start)
    return { type: 'data', first: numbers[0]!, ack: numbers[1]!, payloads }
  }
  if (!isText) throw malformed('binary')
  const isBare = start > header.length
  if (isBare) {
    if (letter === 'P' && count < 2) return { type: 'ping', latencyMs: count ? numbers[0] : undefined }
    if (letter === 'Q' && !count) return { type: 'pong' }
    if (letter === 'A' && count === 1) return { type: 'ack', ack: numbers[0]! }
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

function split(message: Payload, start: number): Payload[] {
  const payloads: Payload[] = []
  let from = start
  for (let index = 2; index < count; index++) {
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

function fits(value: unknown, shape: Shape[string]): boolean {
  if (shape === 'count') return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_COUNT
  if (typeof shape === 'string') return typeof value === shape
  if (typeof value !== 'object' || !value) return false
  return Object.entries(shape).every(([field, inner]) => {
    const name = field.replace('?', '')
    const isGiven = Object.hasOwn(value, name)
    return isGiven ? fits((value as Record<string, unknown>)[name], inner) : name !== field
  })
}

const malformed = (what: string): Violation => new Violation(CloseCode.protocolError, `malformed frame: ${what}`)
