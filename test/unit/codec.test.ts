import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CloseCode } from '../../src/protocol/close-codes.ts'
import { decode, decodeHelloEntry } from '../../src/protocol/decode.ts'
import * as encode from '../../src/protocol/encode.ts'
import type { Frame, From, GapReason, Hello, Payload, Sub, Welcome } from '../../src/protocol/frame.ts'
import { MAX_BATCH_MESSAGES, MAX_HEADER, MAX_TOPIC_NAME, PROTOCOL } from '../../src/protocol/limits.ts'
import { Violation } from '../../src/protocol/violation.ts'
import { check } from '../model/check.ts'
import { readDocument } from './documents.ts'
import {
  closeCodeOf,
  payloadOf,
  readVectors,
  writtenForm,
  type BatchVectors,
  type FrameVectors,
  type HelloEntryVectors,
} from './vectors.ts'

const frames = readVectors('frames') as FrameVectors
const helloEntries = readVectors('hello-entries') as HelloEntryVectors
const { batches } = readVectors('batches') as BatchVectors

function encoded(frame: Frame): Payload {
  switch (frame.type) {
    case 'hello':
      return encode.encodeHello(frame.body)
    case 'welcome':
      return encode.encodeWelcome(frame.body)
    case 'reject':
      return encode.encodeReject(frame.body)
    case 'data':
      return encode.encodeData(frame.first, frame.ack, frame.payloads)
    case 'ack':
      return frame.messages === undefined
        ? encode.encodeAck(frame.ack)
        : encode.encodeTopicAck(frame.ack, frame.messages, frame.bytes!)
    case 'sub':
      return encode.encodeSub(frame.body)
    case 'subbed':
      return encode.encodeSubbed(frame.body)
    case 'unsub':
      return encode.encodeUnsub(frame.body)
    case 'tdata':
      return encode.encodeTopicData(frame.topic, frame.first, frame.payloads)
    case 'volatile':
      return encode.encodeVolatile(frame.topic, frame.payloads)
    case 'skip':
      return encode.encodeSkip(frame.topic, frame.first, frame.last)
    case 'nack':
      return encode.encodeNack(frame.expected)
    case 'gap':
      return encode.encodeGap(frame.body)
    case 'ping':
      return encode.PING + (frame.latencyMs ?? '')
    case 'pong':
      return encode.PONG
    case 'goaway':
      return encode.encodeGoaway(frame.body)
    case 'bye':
      return encode.encodeBye(frame.last, frame.ack)
  }
}

/** A frame as the vectors write it. */
function written(frame: Frame): unknown {
  return JSON.parse(JSON.stringify('payloads' in frame ? { ...frame, payloads: writtenForm(frame.payloads) } : frame))
}

/** Two JSON texts say the same if they parse alike; other messages have to be equal. */
function comparable(message: Payload): unknown {
  if (typeof message === 'string' && message[1] === ' ') return [message[0], JSON.parse(message.slice(2))]
  return writtenForm(message)
}

test.each(frames.valid)('reads $name', ({ message, frame }) => {
  expect(written(decode(payloadOf(message)))).toEqual(frame)
})

test.each(frames.valid.filter(({ encodes, frame }) => encodes !== false && !('payloads' in frame)))(
  'writes $name',
  ({ message, frame }) => {
    expect(comparable(encoded(frame as Frame))).toEqual(comparable(payloadOf(message)))
  },
)

test.each(frames.valid.filter(({ frame }) => 'payloads' in frame))('writes $name', ({ message }) => {
  expect(encoded(decode(payloadOf(message)))).toEqual(payloadOf(message))
})

test.each(frames.invalid)('refuses $name', ({ message, closeCode }) => {
  expect(closeCodeOf(() => decode(payloadOf(message)))).toBe(closeCode)
})

test('each rule that a vector breaks is one of the protocol', () => {
  const protocol = readDocument('PROTOCOL.md')
  for (const { rule } of frames.invalid) expect(protocol).toContain(`**[${rule}]**`)
})

test('there are vectors for every frame', () => {
  const types: Record<Frame['type'], true> = {
    hello: true,
    welcome: true,
    reject: true,
    data: true,
    ack: true,
    nack: true,
    gap: true,
    ping: true,
    pong: true,
    goaway: true,
    bye: true,
    sub: true,
    subbed: true,
    unsub: true,
    tdata: true,
    volatile: true,
    skip: true,
  }
  expect(new Set(frames.valid.map(({ frame }) => frame.type))).toEqual(new Set(Object.keys(types)))
})

test.each(helloEntries.valid)('reads the HELLO entry of $name', ({ entry, body }) => {
  expect(decodeHelloEntry(entry)).toEqual(body)
})

test.each(helloEntries.valid.filter(({ encodes }) => encodes !== false))(
  'writes the HELLO entry of $name',
  ({ entry, body }) => {
    expect(encode.encodeHelloEntry(body)).toBe(entry)
  },
)

test.each(helloEntries.invalid)('refuses a HELLO entry with $name', ({ entry, closeCode }) => {
  expect(closeCodeOf(() => decodeHelloEntry(entry))).toBe(closeCode)
})

test.each(helloEntries.other)('leaves $name alone', ({ entry }) => {
  expect(decodeHelloEntry(entry)).toBeUndefined()
})

test.each(batches)('reads and writes a batch of $name', ({ first, ack, payloads, message }) => {
  const plain = payloads.map(payloadOf)
  expect(decode(payloadOf(message))).toEqual({ type: 'data', first, ack, payloads: plain })
  expect(encode.encodeData(first, ack, plain)).toEqual(payloadOf(message))
})

test.each(['x', new Uint8Array([7])])(
  'a batch may hold as many messages as the limit says, each of them %j',
  (payload) => {
    const payloads = Array.from({ length: MAX_BATCH_MESSAGES }, () => payload)
    const message = encode.encodeData(1, 0, payloads)
    expect(decode(message)).toEqual({ type: 'data', first: 1, ack: 0, payloads })
    expect(closeCodeOf(() => decode(encode.encodeData(1, 0, [...payloads, payload])))).toBe(CloseCode.protocolError)
  },
)

test.each(['x', new Uint8Array([7])])('so may a frame of a topic, each of them %j', (payload) => {
  const payloads = Array.from({ length: MAX_BATCH_MESSAGES }, () => payload)
  const data = encode.encodeTopicData(3, 9, payloads)
  expect(decode(data)).toEqual({ type: 'tdata', topic: 3, first: 9, payloads })
  const volatile = encode.encodeVolatile(3, payloads)
  expect(decode(volatile)).toEqual({ type: 'volatile', topic: 3, payloads })
  payloads.push(payload)
  for (const message of [encode.encodeTopicData(3, 9, payloads), encode.encodeVolatile(3, payloads)])
    expect(closeCodeOf(() => decode(message))).toBe(CloseCode.protocolError)
})

test.each(['B', 'T'])(
  'the longest header of several that the limits allow is shorter than a header may be: %s',
  (letter) => {
    const lengths = Array.from({ length: MAX_BATCH_MESSAGES }, () => ',65536').join('')
    expect(`${letter}999999999999999,999999999999999${lengths} `.length).toBeLessThan(MAX_HEADER)
  },
)

test('bytes that are read are those of the message, not a copy', () => {
  const message = encode.encodeData(1, 0, [new Uint8Array([1]), new Uint8Array([2])]) as Uint8Array
  const frame = decode(message)
  expect(frame.type === 'data' && (frame.payloads[1] as Uint8Array).buffer).toBe(message.buffer)
})

const count = fc.oneof(fc.nat(), fc.nat({ max: 9 }), fc.constantFrom(0, 1, 999_999_999_999_999))
const window = fc.record({ messages: count, bytes: count })
const text = fc.string({ unit: 'binary', maxLength: 40 })
const bytes = fc.uint8Array({ maxLength: 40 })
/** Without a name that is dropped when it is read. */
const json = fc
  .json()
  .filter((text) => !text.includes('__proto__'))
  .map((text): unknown => JSON.parse(text))
const topic = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  fc.string({ unit: 'grapheme-ascii', minLength: MAX_TOPIC_NAME, maxLength: MAX_TOPIC_NAME }),
)
const from: fc.Arbitrary<From> = fc.oneof(
  fc.constantFrom<From>('now', 'first'),
  count.map((last) => ({ last })),
  fc.record({ generation: text, offset: count }, { noNullPrototype: true }),
)
const sub: fc.Arbitrary<Sub> = fc.record({ ref: count, topic, from }, { noNullPrototype: true })
const hello: fc.Arbitrary<Hello> = fc.record(
  {
    resume: fc.record({
      session: text,
      token: text,
      position: fc.record({ generation: text, offset: count }),
      sent: count,
    }),
    auth: json,
    window,
    topics: fc.array(sub, { maxLength: 5 }),
  },
  { requiredKeys: ['window'], noNullPrototype: true },
)
const welcome: fc.Arbitrary<Welcome> = fc.record(
  {
    session: text,
    token: text,
    generation: text,
    resumed: fc.boolean(),
    received: count,
    accepted: count,
    last: count,
    window,
    maxMessageBytes: count,
    ttlMs: count,
  },
  { noNullPrototype: true },
)
const payloads = fc.oneof(fc.array(text, { minLength: 1 }), fc.array(bytes, { minLength: 1 }))
/** The last message has a number, too. */
const firstOf = (first: number, { length }: readonly Payload[]): number => Math.min(first, 10 ** 15 - length)
const data = fc
  .tuple(count, count, payloads)
  .map(([first, ack, payloads]): Frame => ({ type: 'data', first: firstOf(first, payloads), ack, payloads }))
const frame: fc.Arbitrary<Frame> = fc.oneof(
  data,
  hello.map((body): Frame => ({ type: 'hello', body })),
  fc
    .tuple(welcome, fc.option(fc.constantFrom<GapReason>('unknown', 'forked'), { nil: undefined }))
    .map(([body, reason]): Frame => ({ type: 'welcome', body: { ...body, ...(reason && { reason }) } })),
  count.map((ack): Frame => ({ type: 'ack', ack, messages: undefined, bytes: undefined })),
  fc.tuple(count, count, count).map(([ack, messages, bytes]): Frame => ({ type: 'ack', ack, messages, bytes })),
  count.map((expected): Frame => ({ type: 'nack', expected })),
  fc.option(count, { nil: undefined }).map((latencyMs): Frame => ({ type: 'ping', latencyMs })),
  fc.tuple(count, count).map(([last, ack]): Frame => ({ type: 'bye', last, ack })),
  fc
    .record(
      { topic: count, from: count, to: count, reason: fc.constantFrom<GapReason>('overflow', 'skipped') },
      { requiredKeys: ['from', 'to', 'reason'], noNullPrototype: true },
    )
    .map((body): Frame => ({ type: 'gap', body })),
  sub.map((body): Frame => ({ type: 'sub', body })),
  fc
    .record({ ref: count, topic, id: count, generation: text, offset: count, last: count }, { noNullPrototype: true })
    .map((body): Frame => ({ type: 'subbed', body })),
  fc
    .record({ ref: count, topic, reason: text, pause: fc.boolean() }, { requiredKeys: ['ref'], noNullPrototype: true })
    .map((body): Frame => ({ type: 'unsub', body })),
  fc
    .tuple(count, count, payloads)
    .map(([topic, first, payloads]): Frame => ({ type: 'tdata', topic, first: firstOf(first, payloads), payloads })),
  fc.tuple(count, payloads).map(([topic, payloads]): Frame => ({ type: 'volatile', topic, payloads })),
  fc.tuple(count, count, count).map(([topic, first, last]): Frame => ({ type: 'skip', topic, first, last })),
)

test('every frame is read as it was written', () => {
  check('frames', frame, 5_000, (frame) => {
    expect(decode(encoded(frame))).toEqual(frame)
  })
})

test('every text of a batch arrives through UTF-8 as it was, if it is well-formed', () => {
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 2, maxLength: 20 })
  check('batches', texts, 2_000, (payloads) => {
    const message = Buffer.from(encode.encodeData(1, 0, payloads) as string).toString()
    expect(decode(message)).toEqual({ type: 'data', first: 1, ack: 0, payloads })
  })
})

test('every HELLO entry is a token of HTTP, and is read as it was written', () => {
  check('entries', hello, 2_000, (body) => {
    const entry = encode.encodeHelloEntry(body)
    expect(entry).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
    expect(decodeHelloEntry(entry)).toEqual(body)
  })
})

/** Pieces that frames are made of, in any order: closer to frames than noise is. */
const piece = fc.constantFrom(
  ...Array.from('HWRDBANGPQYETSOUVK'),
  ' ',
  ',',
  '0',
  '1',
  '12',
  '-',
  '{}',
  '{"window":',
  '"',
  'null',
  '\u0000',
  '😀',
)
const letter = fc.oneof({ arbitrary: fc.constantFrom('D', 'B', 'A', 'E', 'T', 'V', 'K'), weight: 3 }, piece)
const digits = fc.oneof({ arbitrary: fc.nat({ max: 4 }).map(String), weight: 9 }, piece)
const nearFrame = fc
  .tuple(
    letter,
    fc.array(digits, { minLength: 1, maxLength: 5 }),
    fc.constantFrom('', ' '),
    fc.string({ maxLength: 8 }),
  )
  .map(([letter, numbers, space, rest]) => letter + numbers.join(',') + space + (space && rest))
const almostText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  nearFrame,
)
const almostBytes = fc.oneof(
  fc.uint8Array(),
  fc.tuple(almostText, fc.uint8Array()).map(([text, rest]) => new Uint8Array([...Buffer.from(text), ...rest])),
)

test('anything is either a frame or a violation', () => {
  let read = 0
  let runs = 0
  check('anything', fc.oneof(almostText, almostBytes), 10_000, (message) => {
    runs++
    let frame: Frame
    try {
      frame = decode(message)
    } catch (error) {
      expect(error).toBeInstanceOf(Violation)
      expect((error as Violation).closeCode).toBe(CloseCode.protocolError)
      // Nothing of what the peer has sent.
      expect((error as Violation).message).toMatch(/^malformed frame: [a-zA-Z ]+$/)
      return
    }
    read++
    if ('payloads' in frame) expect(encoded(frame)).toEqual(message)
  })
  expect(read).toBeGreaterThan(runs / 200)
})

test('anything in the upgrade is a HELLO, something else, or a violation', () => {
  const rest = fc.oneof(fc.string(), fc.webPath(), almostText.map(encodeURIComponent))
  check('any entry', fc.tuple(fc.constantFrom('', PROTOCOL, 'heartline.hello.'), rest), 5_000, ([prefix, rest]) => {
    const code = closeCodeOf(() => decodeHelloEntry(prefix + rest))
    expect([undefined, CloseCode.protocolError]).toContain(code)
  })
})
