import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { decode, decodeHelloEntry } from '../../../src/protocol/decode.ts'
import {
  encodeAck,
  encodeData,
  encodeGap,
  encodeNack,
  encodeSkip,
  encodeSubbed,
  encodeTopicData,
  encodeUnsub,
  encodeVolatile,
  encodeWelcome,
} from '../../../src/protocol/encode.ts'
import type { Hello, Payload, Position, Sub, Unsub, Welcome } from '../../../src/protocol/frame.ts'
import { MAX_BATCH_BYTES, PROTOCOL } from '../../../src/protocol/limits.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'

/** Limit of the clients that are attacked, so small that going over it is cheap. */
export const MAX_MESSAGE_BYTES = 20_000
/** Most bytes of a WebSocket message, as the client derives it from its limit; and its window. */
const MAX_PAYLOAD = 3 * MAX_MESSAGE_BYTES + 3 * 262_144 + 16_384
const WINDOW_MESSAGES = 4_096

/** What the client may give as the end of a connection. 1006: the server has cut it. */
export const documentedCodes: readonly number[] = [
  1000, 1001, 1002, 1005, 1006, 1007, 1008, 1009, 4703, 4801, 4803, 4805, 4901, 4902, 4903, 4904, 4905,
]

/** What came of a conversation. */
export interface Outcome {
  readonly slot: number
  readonly what: string
  readonly frames: number
  /** The end as the client has told it. */
  readonly code: number
  /** What that must be, if there was no doubt. */
  readonly expected: readonly number[] | undefined
}

/** What a server has of a session, if it keeps to the rules. */
interface Kept {
  welcome: Welcome
  /** Last number of the client that has come. */
  received: number
  /** Last offset that was sent. */
  sent: number
}

/** A subscription of the client, as a server has to know it. */
interface Feed {
  readonly ref: number
  readonly topic: string
  readonly id: number
  generation: string
  /** Last offset that was sent. */
  sent: number
}

/** The conversation of one connection. */
interface Talk {
  /** What the client has asked for, and was not answered. */
  readonly asked: Sub[]
  /** What it has, and what the server has made. */
  readonly feeds: Feed[]
  /** How many ids were used. */
  ids: number
  readonly random: Random
  readonly socket: WebSocket
  readonly send: (...messages: Payload[]) => void
  readonly kept: Kept
  frames: number
}

type ValidFrame = (talk: Talk) => Payload | undefined
type Violation = readonly [what: string, codes: readonly number[], commit: (talk: Talk) => void]

const validFrames: readonly ValidFrame[] = [
  ({ kept, random }) => encodeData(++kept.sent, 0, [random.pick(['', 'é', '😀', '\ud800', 'x'.repeat(900)])]),
  ({ kept }) => encodeData(++kept.sent, kept.received, [Buffer.alloc(40, 0xff)]),
  ({ kept, random }) => {
    const count = 2 + random.below(8)
    const first = kept.sent + 1
    kept.sent += count
    return encodeData(
      first,
      0,
      Array.from({ length: count }, (_, index) => `😀 ${index}`),
    )
  },
  ({ kept, random }) => {
    const from = kept.sent + 1
    kept.sent += 1 + random.below(1_000)
    return encodeGap({ from, to: kept.sent, reason: 'overflow' })
  },
  ({ kept }) => encodeAck(kept.received),
  () => encodeAck(0),
  () => encodeNack(1),
  () => 'P',
  () => 'P999999',
  () => 'Q',
  answer,
  answer,
  answer,
  ofFeed((feed, { random }) => encodeTopicData(feed.id, ++feed.sent, [random.pick(['', 'é', '😀', 'x'.repeat(900)])])),
  ofFeed((feed, { random }) => {
    // Some of them it has.
    const first = feed.sent + 1 - Math.min(feed.sent, random.below(4))
    const count = feed.sent - first + 1 + 2 + random.below(8)
    feed.sent = first + count - 1
    return encodeTopicData(
      feed.id,
      first,
      Array.from({ length: count }, (_, index) => `😀 ${index}`),
    )
  }),
  ofFeed((feed) => encodeTopicData(feed.id, ++feed.sent, [Buffer.alloc(40, 0xff)])),
  ofFeed(({ id }) => encodeVolatile(id, ['volatile'])),
  ofFeed(({ id }) => encodeVolatile(id, [Buffer.alloc(3), Buffer.alloc(0)])),
  ofFeed((feed, { random }) => {
    const first = feed.sent + 1
    feed.sent += 1 + random.below(1_000)
    return encodeSkip(feed.id, first, feed.sent)
  }),
  ofFeed((feed, { random }) => {
    const from = feed.sent + 1
    feed.sent += 1 + random.below(1_000)
    return encodeGap({ topic: feed.id, from, to: feed.sent, reason: 'overflow' })
  }),
  // Once more: further on, or with another history.
  ofFeed((feed, { random }) => {
    if (random.chance(0.5)) feed.sent += random.below(9)
    else Object.assign(feed, { generation: `g${random.next()}`, sent: 0 })
    return subbed(feed)
  }),
  (talk) => {
    const { feeds, random } = talk
    if (feeds.length > 5 || random.chance(0.5)) return
    const topic = random.pick(['$subject:1', '$sessions:2', 'room', '__proto__', 'constructor', 'x'.repeat(256)])
    if (feeds.some((feed) => !feed.ref && feed.topic === topic)) return
    const feed: Feed = { ref: 0, topic, id: ++talk.ids, generation: 'g', sent: 999_999 }
    feeds.push(feed)
    return subbed(feed)
  },
  ({ feeds, random }) => {
    const [feed] = feeds.length && random.chance(0.2) ? feeds.splice(random.below(feeds.length), 1) : []
    if (!feed) return
    const { ref, topic } = feed
    return encodeUnsub({ ref, topic, reason: random.pick(['unauthorized', 'something', '']) })
  },
  ({ random }) => encodeUnsub({ ref: 1_000_000 + random.below(9), topic: 'room', reason: 'nobody' }),
  () => encodeUnsub({ ref: 0, topic: 'nobody has it', reason: 'nobody' }),
]

/** The client may have got further by what was on its way when it paused; so the topic is long. */
function subbed({ ref, topic, id, generation, sent }: Feed, last = 999_999_999): string {
  return encodeSubbed({ ref, topic, id, generation, offset: sent, last })
}

/** Answers the oldest SUB. */
function answer(talk: Talk): Payload | undefined {
  const { asked, feeds, random } = talk
  const sub = asked.shift()
  if (!sub) return
  const { ref, topic, from } = sub
  if (!ref) return
  if (random.chance(0.1)) return encodeUnsub({ ref, topic, reason: 'limit' })
  const known: Position = typeof from === 'object' && 'offset' in from ? from : { generation: 'g', offset: 3 }
  const feed = { ref, topic, id: ++talk.ids, generation: known.generation, sent: known.offset }
  // One that was paused has had another id.
  const former = feeds.findIndex((one) => one.ref === ref)
  if (former >= 0) feeds.splice(former, 1)
  feeds.push(feed)
  return subbed(feed)
}

function ofFeed(frame: (feed: Feed, talk: Talk) => Payload): ValidFrame {
  return (talk) => (talk.feeds.length ? frame(talk.random.pick(talk.feeds), talk) : undefined)
}

const text =
  (...messages: string[]) =>
  ({ send }: Talk) =>
    send(...messages)
/** Breaks a rule about a topic that the client has; if it has none, it gets one that the server has made. */
const onFeed =
  (...messages: ((feed: Feed) => Payload)[]) =>
  (talk: Talk) => {
    // Another history each time: the client may have been further in the one before.
    const feed: Feed = { ref: 0, topic: 'violated', id: ++talk.ids, generation: `v${talk.random.next()}`, sent: 5 }
    talk.send(subbed(feed, feed.sent), ...messages.map((message) => message(feed)))
  }
/** More than a window for an application that does not get done with the first message. */
const flood =
  (count: number, message: (feed: Feed) => Payload) =>
  (talk: Talk): void => {
    onFeed(
      (feed) => encodeTopicData(feed.id, ++feed.sent, ['hang']),
      ...Array.from({ length: count }, () => message),
    )(talk)
    // The client may pause it, and be done with the rest.
    talk.socket.close(1001)
  }
const FLOODED = [1001, 1005, 1006, 4904]
/** Bytes that go to the wire as they are. */
const raw =
  (...bytes: number[]) =>
  ({ socket }: Talk) => {
    const { _socket } = socket as WebSocket & { _socket: Socket }
    _socket.write(Buffer.from(bytes))
  }

const malformed = [
  '',
  ' ',
  'P01',
  'P ',
  'A',
  'A1,2',
  'A-1',
  'Q1',
  'D1',
  'D1,0',
  'D,0 x',
  'B1,0,5 abcdef',
  'B1,0,1 a',
  'Y {}',
  'G {}',
  'T1,1',
  'T1,1,1 x',
  'V1',
  'V1,1 x',
  'K1,1',
  'K1,1,1 ',
  'O {}',
  'U []',
  'A0,1',
  'O {"ref":0,"topic":"","id":1,"generation":"x","offset":0,"last":0}',
  'O {"ref":0,"topic":"t","id":-1,"generation":"x","offset":0,"last":0}',
]
const unknown = ['H {}', 'H {"window":{"messages":1,"bytes":1}}', 'W {', 'S {}', 'U {}', 'ping', '{"a":1}', 'pong']

const violations: readonly Violation[] = [
  ...malformed.map((frame): Violation => [`malformed ${frame}`, [4903], text(frame)]),
  ...unknown.map((frame): Violation => [`unknown ${frame}`, [4903], text(frame)]),
  ['second WELCOME', [4903], ({ send, kept }) => send(encodeWelcome(kept.welcome))],
  ['REJECT after WELCOME', [4903], text('R {"code":4000,"reason":""}')],
  ['SUB to a client', [4903], text('S {"ref":1,"topic":"room","from":"now"}')],
  ['counts of topics', [4903], text('A0,0,0')],
  ...['T999999,1 x', 'V999999 x', 'K999999,1,1', 'G {"topic":999999,"from":1,"to":1,"reason":"overflow"}'].map(
    (frame): Violation => [`unknown id ${frame}`, [4903], text(frame)],
  ),
  ['TDATA that jumps', [4805], onFeed(({ id, sent }) => encodeTopicData(id, sent + 2, ['x']))],
  ['TDATA 0', [4805], onFeed(({ id }) => encodeTopicData(id, 0, ['x', 'y']))],
  ['SKIP that jumps', [4805], onFeed(({ id, sent }) => encodeSkip(id, sent + 2, sent + 3))],
  ['SKIP that goes back', [4805], onFeed(({ id, sent }) => encodeSkip(id, sent + 1, sent))],
  ['SKIP 0', [4805], onFeed(({ id, sent }) => encodeSkip(id, 0, sent))],
  [
    'GAP of a topic that jumps',
    [4805],
    onFeed(({ id, sent }) => encodeGap({ topic: id, from: sent + 2, to: sent + 3, reason: 'overflow' })),
  ],
  [
    'GAP of a topic that goes back',
    [4805],
    onFeed(({ id, sent }) => encodeGap({ topic: id, from: sent + 1, to: sent, reason: 'overflow' })),
  ],
  ['an offset beyond the last one', [4903], onFeed((feed) => subbed(feed, feed.sent - 1))],
  ['a history that has become shorter', [4903], onFeed((feed) => subbed({ ...feed, sent: 2 }, 4))],
  [
    'TDATA too large',
    [4904],
    onFeed(({ id, sent }) => encodeTopicData(id, sent + 1, ['x'.repeat(MAX_MESSAGE_BYTES + 1)])),
  ],
  ['VOLATILE too large', [4904], onFeed(({ id }) => encodeVolatile(id, ['x', 'x'.repeat(MAX_MESSAGE_BYTES + 1)]))],
  [
    'a flood of TDATA',
    FLOODED,
    flood(10, (feed) => {
      const first = feed.sent + 1
      feed.sent += 1_000
      return encodeTopicData(
        feed.id,
        first,
        Array.from({ length: 1_000 }, () => ''),
      )
    }),
  ],
  ['a flood of bytes', FLOODED, flood(40, (feed) => encodeTopicData(feed.id, ++feed.sent, ['x'.repeat(18_000)]))],
  ['a flood of VOLATILE', FLOODED, flood(5_000, ({ id }) => encodeVolatile(id, ['v']))],
  ['a flood of SKIP', FLOODED, flood(5_000, (feed) => encodeSkip(feed.id, ++feed.sent, feed.sent))],
  [
    'a flood of GAP',
    FLOODED,
    flood(5_000, (feed) => encodeGap({ topic: feed.id, from: ++feed.sent, to: feed.sent, reason: 'x' as 'overflow' })),
  ],
  [
    'a flood of histories',
    [4904],
    flood(10_000, (feed) => subbed(Object.assign(feed, { generation: `g${feed.sent++}` }), feed.sent)),
  ],
  [
    'a flood of topics',
    FLOODED,
    flood(2_000, (feed) => subbed({ ...feed, topic: `t${++feed.sent}`, id: 1_000_000 + feed.sent }, feed.sent)),
  ],
  ['binary control frame', [4903], ({ send }) => send(Buffer.from('P'))],
  ['ACK of what was not sent', [4903], text('A999999999')],
  ['number too high', [4805], ({ send, kept, random }) => send(`D${kept.sent + 2 + random.below(9)},0 x`)],
  ['number 0', [4805], text('D0,0 x')],
  ['batch after a hole', [4805], ({ send, kept }) => send(`B${kept.sent + 2},0,1,1 ab`)],
  [
    'GAP of what has come',
    [4805],
    ({ send, kept }) => send(encodeData(++kept.sent, 0, ['x']), `G {"from":1,"to":1,"reason":"overflow"}`),
  ],
  [
    'GAP that goes back',
    [4805],
    ({ send, kept }) => send(`G {"from":${kept.sent + 1},"to":${kept.sent},"reason":"overflow"}`),
  ],
  ['message too large', [4904], ({ send, kept }) => send(`D${kept.sent + 1},0 ${'x'.repeat(MAX_MESSAGE_BYTES + 1)}`)],
  ['beyond the payload', [1006, 1009], ({ send, kept }) => send(`D${kept.sent + 1},0 ${'x'.repeat(MAX_PAYLOAD)}`)],
  [
    'window exceeded by messages',
    [4904],
    ({ send, kept }) => {
      send(encodeData(++kept.sent, 0, ['hang']))
      for (let sent = 0; sent < WINDOW_MESSAGES; sent += 512) {
        send(
          encodeData(
            kept.sent + 1,
            0,
            Array.from({ length: 512 }, () => ''),
          ),
        )
        kept.sent += 512
      }
    },
  ],
  [
    'window exceeded by bytes',
    [4904],
    ({ send, kept }) => {
      send(encodeData(++kept.sent, 0, ['hang']))
      for (let bytes = 0; bytes <= 262_144 + MAX_BATCH_BYTES; bytes += 18_000)
        send(encodeData(++kept.sent, 0, ['x'.repeat(18_000)]))
    },
  ],
  [
    'window exceeded by gaps',
    [4904],
    ({ send, kept }) => {
      send(encodeData(++kept.sent, 0, ['hang']))
      for (let gaps = 0; gaps < WINDOW_MESSAGES; gaps++)
        send(encodeGap({ from: ++kept.sent, to: kept.sent, reason: 'overflow' }))
    },
  ],
  [
    'no UTF-8',
    [1006, 1007],
    ({ socket, kept }) => socket.send(Buffer.from(`D${kept.sent + 1},0 \xed\xa0\x80`, 'latin1'), { binary: false }),
  ],
  ['masked', [1002, 1006], raw(0x81, 0x81, 0, 0, 0, 0, 0x50)],
  ['reserved bit', [1002, 1006], raw(0xc1, 0x00)],
  ['reserved opcode', [1002, 1006], raw(0x83, 0x00)],
  ['continuation of nothing', [1002, 1006], raw(0x80, 0x00)],
  ['length beyond 2^53', [1006, 1009], raw(0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
]

/** A server that follows the protocol until it does not. Clients name their slot in the path, and have one connection at a time. */
export class HostileServer {
  /** All that it was ever told by clients, by slot. */
  readonly heard: string[][]
  readonly #server: WebSocketServer
  readonly #randoms: Random[]
  readonly #kept: (Kept | undefined)[] = []
  readonly #done: (outcome: Outcome) => void
  readonly #ends: { readonly codes: number[]; ended: (() => void) | undefined }[]

  constructor(seed: number, slots: number, done: (outcome: Outcome) => void) {
    this.#done = done
    this.heard = Array.from({ length: slots }, () => [])
    this.#randoms = Array.from({ length: slots }, (_, slot) => new Random(seed + slot))
    this.#ends = Array.from({ length: slots }, () => ({ codes: [], ended: undefined }))
    this.#server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      perMessageDeflate: false,
      handleProtocols: (offered, request) => {
        const protocols = [...offered]
        this.heard[slotOf(request)]!.push(...protocols.map(decodeURIComponent))
        // Now and then the one that carries the HELLO, or none.
        const luck = this.#randoms[slotOf(request)]!.below(40)
        return luck > 1 ? PROTOCOL : luck ? false : protocols.at(-1)!
      },
    })
    this.#server.on('connection', (socket, request) => {
      void this.#serve(socket, request)
    })
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** A client has told how its connection, or its attempt at one, has ended. */
  told({ slot, code }: { slot: number; code: number }): void {
    const ends = this.#ends[slot]!
    ends.codes.push(code)
    ends.ended?.()
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate()
    this.#server.close()
  }

  async #serve(socket: WebSocket, request: IncomingMessage): Promise<void> {
    const slot = slotOf(request)
    const random = this.#randoms[slot]!
    const ends = this.#ends[slot]!
    // What has ended before this was another connection.
    ends.codes.length = 0
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const told = new Promise<number>((resolve) => {
      ends.ended = () => resolve(ends.codes.at(-1)!)
    })
    let pongs = 0
    let heardPong: (() => void) | undefined
    const kept = this.#kept[slot]
    const talk: Talk = {
      random,
      socket,
      asked: [],
      feeds: [],
      ids: 0,
      frames: 0,
      send: (...messages) => {
        talk.frames += messages.length
        for (const message of messages) if (socket.readyState === 1) socket.send(message)
      },
      kept: kept ?? { welcome: undefined!, received: 0, sent: 0 },
    }
    socket.on('error', () => {})
    const first = new Promise<Hello | undefined>((resolve) => {
      const entry = (request.headers['sec-websocket-protocol'] ?? '')
        .split(',')
        .map((one) => one.trim())
        .find((one) => one !== PROTOCOL)
      if (entry) resolve(decodeHelloEntry(entry))
      void closed.then(() => resolve(undefined))
      socket.on('message', (data: Buffer, isBinary) => {
        const message = isBinary ? data : String(data)
        this.heard[slot]!.push(String(message))
        // What a client sends is valid, always.
        const frame = decode(message)
        if (frame.type === 'hello') resolve(frame.body)
        if (frame.type === 'data')
          talk.kept.received = Math.max(talk.kept.received, frame.first + frame.payloads.length - 1)
        if (frame.type === 'sub') talk.asked.push(frame.body)
        if (frame.type === 'unsub') forget(talk, frame.body)
        if (frame.type === 'ping') socket.send('Q')
        if (frame.type === 'pong') {
          pongs++
          heardPong?.()
        }
      })
    })
    /** Waits until the client has looked at all that was sent. @returns whether the connection is still open */
    const isAlive = async (): Promise<boolean> => {
      const before = pongs
      talk.send('P')
      await Promise.race([
        closed,
        told,
        new Promise<void>((resolve) => (heardPong = () => pongs > before && resolve())),
      ])
      return pongs > before
    }
    let what = 'none'
    let expected: readonly number[] | undefined
    const hello = await first
    if (hello && socket.protocol === PROTOCOL) [what, expected] = await this.#converse(slot, talk, hello, isAlive)
    else if (socket.protocol !== PROTOCOL) [what, expected] = ['another subprotocol', [1006, 4905]]
    const code = await told
    if (what.startsWith('window') || code >= 4_900 || code === 1_000) this.#kept[slot] = undefined
    socket.terminate()
    await closed
    this.#done({ slot, what, frames: talk.frames, code, expected })
  }

  async #converse(
    slot: number,
    talk: Talk,
    hello: Hello,
    isAlive: () => Promise<boolean>,
  ): Promise<[what: string, expected: readonly number[] | undefined]> {
    const { random, send, socket } = talk
    const sendValid = (): void => {
      const frame = random.pick(validFrames)(talk)
      if (frame !== undefined) send(frame)
    }
    const welcome = this.#welcomeFor(slot, talk, hello)
    const opening = random.below(12)
    if (opening === 0) {
      const code = random.pick([4703, 4803, 4805, 4901, 4903, 4999])
      send(`R {"code":${code},"reason":"no","retryAfterMs":${random.below(5)}}`)
      return ['REJECT', [code]]
    }
    if (opening === 1) {
      send(random.pick(['D1,0 x', 'A0', 'P', 'Q', 'E0,0', 'N1', 'Y {"withinMs":0}', '', 'W', 'H {}']))
      return ['before WELCOME', [4903]]
    }
    if (opening === 2) {
      const { resume } = hello
      const lie = random.pick<Partial<Welcome>>([
        { received: 999_999 },
        { accepted: 999_999 },
        { resumed: !welcome.resumed, session: 'x', accepted: 1, received: 1 },
        ...(resume ? [] : [{ resumed: true }]),
      ])
      send(encodeWelcome({ ...welcome, ...lie }))
      return [`WELCOME that cannot be true ${JSON.stringify(lie)}`, [4903]]
    }
    if (opening === 3) {
      this.#kept[slot] = undefined
      const mutated = mutate(random, encodeWelcome(welcome))
      send(mutated)
      if (await isAlive()) {
        socket.close(1001)
        return ['none', undefined]
      }
      return [`mutated ${String(mutated).slice(0, 80)}`, undefined]
    }
    this.#kept[slot] = talk.kept
    talk.kept.welcome = welcome
    if (hello.topics) talk.asked.push(...hello.topics)
    send(encodeWelcome(welcome))
    for (let left = random.below(24); left > 0; left--) {
      sendValid()
      if (random.chance(0.2)) await isAlive()
    }
    if (!(await isAlive())) return ['nothing was wrong', [0]]
    if (random.chance(0.5)) {
      const [what, codes, commit] = random.pick(violations)
      commit(talk)
      return [what, codes]
    }
    const history: string[] = []
    if (random.chance(0.6)) {
      // What the client has of them is not known.
      this.#kept[slot] = undefined
      for (let left = 1 + random.below(5); left > 0; left--) {
        const mutated = mutate(random, random.pick(validFrames)(talk) ?? 'P')
        history.push(JSON.stringify(String(mutated)).slice(0, 80))
        send(mutated)
      }
      if (!(await isAlive())) return [history.join(' '), undefined]
    }
    const end = random.below(5)
    if (end === 0) send('Y {"withinMs":1}')
    else if (end === 1) send(`E${talk.kept.sent},0`)
    else if (end === 2) socket.terminate()
    else socket.close(random.pick([1000, 1001, 1011, 3000, 4000]))
    return [
      `end ${end}`,
      history.length
        ? undefined
        : [[4703], [1000, 1005, 1006], [1006], [1000, 1001, 1011, 3000, 4000]][Math.min(3, end)],
    ]
  }

  /** The answer of a server that keeps to the rules. */
  #welcomeFor(slot: number, talk: Talk, { resume }: Hello): Welcome {
    const kept = this.#kept[slot]
    const { random } = talk
    const common = {
      token: `token-${random.next()}`,
      generation: 'g',
      window: { messages: random.pick([0, 1, 4_096]), bytes: random.pick([0, 262_144]) },
      maxMessageBytes: random.pick([1, 1_000_000]),
      ttlMs: 60_000,
    }
    if (resume && kept?.welcome.session === resume.session && resume.sent >= kept.received) {
      // The client says what it has; the rest counts as never sent.
      kept.sent = resume.position.offset
      const { received } = kept
      return { ...common, session: resume.session, resumed: true, received, accepted: 0, last: kept.sent }
    }
    Object.assign(talk.kept, { received: 0, sent: 0 })
    const fresh = { ...common, session: `session-${random.next()}`, received: 0, accepted: 0, last: 0 }
    return { ...fresh, resumed: false, ...(resume && { reason: 'unknown' as const }) }
  }
}

/** The client wants no more of it, or nothing for now. */
function forget({ asked, feeds }: Talk, { ref, topic }: Unsub): void {
  const isIt = (one: { readonly ref: number; readonly topic: string }): boolean =>
    one.ref === ref && (ref > 0 || one.topic === topic)
  for (const list of [asked, feeds]) {
    const index = list.findIndex(isIt)
    if (index >= 0) list.splice(index, 1)
  }
}

const slotOf = ({ url }: IncomingMessage): number => Number(url!.slice(1))
