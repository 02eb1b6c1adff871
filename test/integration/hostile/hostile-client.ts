import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { decode } from '../../../src/protocol/decode.ts'
import {
  encodeAck,
  encodeData,
  encodeHello,
  encodeSub,
  encodeTopicAck,
  encodeUnsub,
} from '../../../src/protocol/encode.ts'
import type { From, Hello, Payload, Sub, Welcome } from '../../../src/protocol/frame.ts'
import { HELLO_PREFIX, PROTOCOL } from '../../../src/protocol/limits.ts'
import { mutate, mutateJson } from './mutate.ts'
import { RawClient } from './raw-client.ts'
import type { Random } from './random.ts'

/** Limits of the server that is attacked, so small that going over them is cheap. */
export const victimLimits = {
  maxMessageBytes: 10_000,
  maxPendingMessages: 64,
  maxPendingBytes: 20_000,
  maxHelloBytes: 4_096,
  maxSubscriptionsPerSession: 8,
}
/** Most bytes of a WebSocket message, as the server derives it from its limits. */
const MAX_PAYLOAD = 3 * victimLimits.maxPendingBytes + 16_384

/** What may be the end of a connection: our own close codes, and those with which `ws` ends what is no WebSocket message. */
export const documentedCodes: readonly number[] = [1000, 1002, 1007, 1009, 4803, 4804, 4805, 4902, 4903, 4904]

/** What came of a conversation. */
export interface Outcome {
  readonly what: string
  readonly frames: number
  /** Close code; the status if the upgrade was refused. */
  readonly code: number
  /** What the code must be, if there was no doubt. */
  readonly expected: readonly number[] | undefined
  readonly received: readonly Payload[]
}

/** A session that this client has had. */
interface Own {
  readonly session: string
  readonly token: string
  readonly generation: string
  /** The token before: still valid, should the server have seen nothing of us since. */
  readonly former: string | undefined
  /** Tokens that are no longer valid. */
  readonly used: readonly string[]
}

/** What a client may send after its WELCOME, and keep its connection. */
type ValidFrame = (talk: Talk) => Payload | undefined
/** What must cost the connection, and the codes that say so. */
type Violation = readonly [what: string, codes: readonly number[], commit: (talk: Talk) => void]

/** The conversation of one connection. */
interface Talk {
  readonly random: Random
  readonly client: RawClient
  readonly send: (...messages: Payload[]) => void
  /** Number of the next message. */
  next: number
  /** The next subscription. */
  nextRef: number
  /** Marks what this client has sent. */
  readonly mark: string
}

const validFrames: readonly ValidFrame[] = [
  (talk) =>
    encodeData(talk.next++, 0, [`${talk.mark} ${talk.random.pick(['', 'é', '😀', '\ud800', 'x'.repeat(900)])}`]),
  (talk) => encodeData(talk.next++, 0, [Buffer.from(talk.mark)]),
  (talk) => encodeData(talk.next++, 0, ['']),
  (talk) => batch(talk, (index) => `${talk.mark} ${index} 😀`),
  (talk) => batch(talk, (index) => Buffer.alloc(index, 0xff)),
  () => encodeAck(0),
  ({ client }) => encodeAck(lastOffset(client)),
  () => 'P',
  () => 'P1500',
  () => 'Q',
  (talk) => encodeSub(newSub(talk.random, talk.nextRef++)),
  (talk) => encodeSub(newSub(talk.random, talk.nextRef++)),
  // One that it has had, or has not had yet, wherever the topic.
  ({ random, nextRef }) => encodeSub(newSub(random, 1 + random.below(nextRef + 2))),
  ({ random }) => encodeSub(newSub(random, 0)),
  ({ random, nextRef }) => encodeUnsub({ ref: random.below(nextRef + 2) }),
  ({ random, nextRef }) =>
    encodeUnsub({ ref: random.below(nextRef + 2), topic: random.pick(topicNames), pause: random.chance(0.7) }),
  ({ random }) => encodeUnsub({ ref: 0, topic: random.pick(topicNames), pause: true }),
  ({ client, random }) => {
    const { messages, bytes } = carried(client)
    return encodeTopicAck(0, random.chance(0.5) ? messages : random.below(messages + 1), bytes)
  },
  (talk) => encodeData(talk.next++, 0, [ordered(talk.random)]),
  (talk) => batch(talk, () => ordered(talk.random)),
]

const topicNames = [
  'room',
  'hall',
  'slow',
  'slow/2',
  'private',
  'é😀',
  '__proto__',
  'constructor',
  '$',
  '$subject:',
  '$sessions:x',
  'x'.repeat(256),
]

function newSub(random: Random, ref: number): Sub {
  const from = random.pick<From>([
    'now',
    'first',
    { last: random.pick([0, 1, 5, 999_999_999_999_999]) },
    { generation: '', offset: random.below(9) },
    { generation: 'constructor', offset: 999_999_999_999_999 },
  ])
  return { ref, topic: random.pick(topicNames), from }
}

/** What the server's application is asked to do. */
const ordered = (random: Random): string =>
  `${random.pick(['publish', 'publish', 'volatile', 'subscribe', 'unsubscribe'])} ${random.pick(['room', 'hall', 'slow', 'é😀'])} ${'x'.repeat(random.pick([0, 9, 9_000]))}`

/** What the connection has carried of topics. */
function carried({ received }: RawClient): { messages: number; bytes: number } {
  const carried = { messages: 0, bytes: 0 }
  for (const message of received) {
    const frame = decode(message)
    if (frame.type === 'tdata' || frame.type === 'volatile')
      for (const { length } of frame.payloads) {
        carried.messages++
        carried.bytes += length
      }
    else if (frame.type === 'skip' || (frame.type === 'gap' && frame.body.topic !== undefined)) carried.messages++
  }
  return carried
}

const text = (message: string) => (talk: Talk) => talk.send(message)
const binary = (message: string) => (talk: Talk) => talk.send(Buffer.from(message, 'latin1'))
/** Bytes that go to the wire as they are. */
const raw =
  (...bytes: number[]) =>
  ({ client }: Talk) => {
    const { _socket } = client.socket as WebSocket & { _socket: Socket }
    _socket.write(Buffer.from(bytes))
  }

const violations: readonly Violation[] = [
  ...[
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
    'B1,0,1,1 abc',
  ].map((frame): Violation => [`malformed ${frame}`, [4903], text(frame)]),
  ...['H {}', 'W {}', 'H {', 'T1,0 x', 'S {}', 'O {}', 'U {}', 'h {}', '{"type":"data"}', 'ping'].map(
    (frame): Violation => [`unknown ${frame}`, [4903], text(frame)],
  ),
  ['second HELLO', [4903], text(encodeHello({ window: { messages: 1, bytes: 1 } }))],
  ['NACK', [4903], text('N1')],
  ['GAP', [4903], text('G {"from":1,"to":2,"reason":"overflow"}')],
  ['GOAWAY', [4903], text('Y {"withinMs":0}')],
  ['REJECT', [4903], text('R {"code":4000,"reason":""}')],
  ...['P', 'Q', 'A0', 'E0,0', 'H {}', '', '\xff\xfe'].map((frame): Violation => [
    `binary ${frame}`,
    [4903],
    binary(frame),
  ]),
  ['ACK of what was not sent', [4903], text('A999999999')],
  ...['A0,999999999,0', 'A0,0,999999999', 'A0,999999999999999,999999999999999'].map((frame): Violation => [
    `ACK of topics that were not sent ${frame}`,
    [4903],
    text(frame),
  ]),
  ...[
    'T1,1 x',
    'T1,1,1,1 xy',
    'V1 x',
    'K1,1,1',
    'O {"ref":1,"topic":"room","id":1,"generation":"x","offset":0,"last":0}',
    'G {"topic":1,"from":1,"to":1,"reason":"overflow"}',
    'S {"ref":1,"topic":"","from":"now"}',
    `S {"ref":1,"topic":"${'x'.repeat(257)}","from":"now"}`,
    'S {"ref":1,"topic":"room","from":{"last":-1}}',
    'S {"ref":1,"topic":"room","from":"__proto__"}',
    'U {"ref":0,"topic":""}',
    'U {"ref":1,"pause":1}',
    'A0,1',
    'A0,0,0,0',
  ].map((frame): Violation => [`of topics ${frame}`, [4903], text(frame)]),
  ...['S {"ref":1,"topic":"room","from":"now"}', 'U {"ref":1}', 'A0,0,0'].map((frame): Violation => [
    `binary ${frame}`,
    [4903],
    binary(frame),
  ]),
  ['SUB that cannot be authorized', [4803], text('S {"ref":1000,"topic":"fail","from":"now"}')],
  ['ACK in DATA of what was not sent', [4903], ({ send, next }) => send(`D${next},999999999 x`)],
  ['number too high', [4805], ({ send, next, random }) => send(`D${next + 1 + random.below(9)},0 x`)],
  ['number far too high', [4805], text('D999999999999999,0 x')],
  ['number 0', [4805], text('D0,0 x')],
  ['batch after a hole', [4805], ({ send, next }) => send(`B${next + 1},0,1,1 ab`)],
  ['BYE with another last number', [4805], ({ send, next }) => send(`E${next + 5},0`)],
  ['message too large', [4904], (talk) => talk.send(`D${talk.next},0 ${'x'.repeat(victimLimits.maxMessageBytes + 1)}`)],
  ['beyond the payload', [1009], (talk) => talk.send(`D${talk.next},0 ${'x'.repeat(MAX_PAYLOAD)}`)],
  [
    'window exceeded by messages',
    [4904],
    (talk) => {
      talk.send(`D${talk.next++},0 hang`)
      for (let more = 0; more < victimLimits.maxPendingMessages; more++) talk.send(`D${talk.next++},0 `)
    },
  ],
  [
    'window exceeded by bytes',
    [4904],
    (talk) => {
      talk.send(`D${talk.next++},0 hang`)
      // The window, and a frame of the largest size beyond it.
      for (let more = 0; more < 10; more++) talk.send(`D${talk.next++},0 ${'x'.repeat(9_000)}`)
    },
  ],
  [
    'no UTF-8',
    [1007],
    ({ client, next }) => client.socket.send(Buffer.from(`D${next},0 \xed\xa0\x80`, 'latin1'), { binary: false }),
  ],
  ['not masked', [1002], raw(0x81, 0x01, 0x50)],
  ['reserved bit', [1002], raw(0xc1, 0x80, 0, 0, 0, 0)],
  ['reserved opcode', [1002], raw(0x83, 0x80, 0, 0, 0, 0)],
  ['continuation of nothing', [1002], raw(0x80, 0x80, 0, 0, 0, 0)],
  ['long control frame', [1002], raw(0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0)],
  ['length beyond 2^53', [1009], raw(0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
]

/** A client that follows the protocol until it does not. Many conversations, one after the other. */
export class HostileClient {
  readonly #url: string
  readonly #random: Random
  /** Part of all that it sends, and of nothing that others send. */
  readonly mark: string
  /** The public name of a session that is not its own. */
  readonly #foreign: string
  readonly #own: Own[] = []

  constructor(url: string, random: Random, name: string, foreign: string) {
    this.#url = url
    this.#random = random
    this.mark = `hostile-${name.repeat(6)}`
    this.#foreign = foreign
  }

  async converse(): Promise<Outcome> {
    const random = this.#random
    const opening = random.below(10)
    if (opening === 0) return this.#beforeHello()
    if (opening === 1) return this.#mutatedHello()
    if (opening === 2) return this.#impossibleHello()
    const { body, mustResume } = this.#hello()
    const isEntry = random.chance(0.6)
    const client = isEntry ? RawClient.entering(this.#url, body) : await RawClient.greeting(this.#url, body)
    let frames = 1
    const outcome = async (what: string, expected?: readonly number[]): Promise<Outcome> => {
      const { code } = await client.ended()
      return { what, frames, code, expected, received: client.received }
    }
    if (isEntry && random.chance(0.1)) {
      // HELLO as a frame, too.
      await client.opened()
      client.send(encodeHello(body))
      frames++
      return outcome('HELLO in the upgrade and as a frame', [4903])
    }
    const welcome = await client.welcome()
    if (mustResume !== undefined && welcome.resumed !== mustResume)
      throw new Error(`resumed is ${welcome.resumed} for ${JSON.stringify(body)}: ${JSON.stringify(welcome)}`)
    this.#keep(body, welcome)
    const talk: Talk = {
      random,
      client,
      mark: this.mark,
      next: welcome.received + 1,
      nextRef: 1 + (body.topics?.length ?? 0),
      send: (...messages) => {
        frames += messages.length
        client.send(...messages)
      },
    }
    const history: string[] = []
    // Duplicates of what the server has are valid at the beginning.
    if (welcome.received && random.chance(0.3)) {
      talk.send(`D${welcome.received},0 duplicate`)
      history.push('duplicate')
    }
    for (let left = random.below(12); left > 0; left--) {
      const frame = random.pick(validFrames)(talk)
      if (frame !== undefined) talk.send(frame)
      if (random.chance(0.2)) await client.isAlive()
    }
    if (!(await client.isAlive())) {
      // Numbers that are off since a mutated frame of an earlier conversation are no surprise, all else is.
      throw new Error(`Closed with ${JSON.stringify(client.closed)} though nothing was wrong.`)
    }
    if (random.chance(0.5)) {
      const [what, codes, commit] = random.pick(violations)
      commit(talk)
      // The server's handler never comes back: nobody can do anything with that session.
      if (what.startsWith('window')) this.#own.pop()
      return outcome(what, codes)
    }
    if (random.chance(0.7)) {
      for (let left = 1 + random.below(5); left > 0; left--) {
        const frame = random.pick(validFrames)(talk)
        if (frame === undefined) continue
        const mutated = mutate(random, frame)
        history.push(JSON.stringify(String(mutated)).slice(0, 80))
        talk.send(mutated)
      }
      if (!(await client.isAlive())) return outcome(history.join(' '))
    }
    const end = random.below(4)
    if (end === 0) client.socket.terminate()
    else if (end === 1 && !history.length) talk.send(`E${talk.next - 1},0`)
    else await client.close(random.pick([1000, 1001, 3000, 4000, 4999]))
    await client.ended()
    return { what: 'none', frames, code: 1000, expected: undefined, received: client.received }
  }

  /** Something else before HELLO. */
  async #beforeHello(): Promise<Outcome> {
    const random = this.#random
    const client = new RawClient(this.#url)
    await client.opened()
    const talk: Talk = {
      random,
      client,
      mark: this.mark,
      next: 1,
      nextRef: 1,
      send: (...messages) => client.send(...messages),
    }
    const frame = random.chance(0.2) ? `H ${' '.repeat(victimLimits.maxHelloBytes)}` : random.pick(validFrames)(talk)!
    client.send(frame)
    const { code } = await client.ended()
    const isLarge = frame.length > victimLimits.maxHelloBytes
    return { what: 'before HELLO', frames: 1, code, expected: [isLarge ? 4904 : 4903], received: client.received }
  }

  /** A HELLO that is damaged, as a frame or in the upgrade. */
  async #mutatedHello(): Promise<Outcome> {
    const random = this.#random
    const json = mutateJson(random, JSON.stringify(this.#hello().body))
    const isEntry = random.chance(0.5)
    const client = isEntry
      ? new RawClient(this.#url, [
          PROTOCOL,
          HELLO_PREFIX + encodeURIComponent(json.slice(0, 3_000)).replace(/[()]/g, ''),
        ])
      : new RawClient(this.#url)
    await client.opened()
    if (!isEntry && client.socket.readyState === 1)
      client.send(random.chance(0.1) ? Buffer.from(`H ${json}`) : `H ${json}`)
    await client.until('an answer', () => client.closed || client.received.length > 0)
    if (!client.closed) await client.close()
    // 1006 is ours: the upgrade was refused.
    const status = Number(/response: (\d+)/.exec(client.error?.message ?? '')?.[1])
    const code = status || (client.closed!.code === 1006 ? NaN : client.closed!.code)
    return { what: `HELLO ${json.slice(0, 80)}`, frames: 1, code, expected: undefined, received: client.received }
  }

  /** A HELLO that is well formed, and cannot be true. */
  async #impossibleHello(): Promise<Outcome> {
    const own = this.#own.pop()
    if (!own) return this.converse()
    const { session, token, generation } = own
    const position = { generation, offset: 999_999_999 }
    const resume = { session, token, position, sent: 999_999_999 }
    const client = RawClient.entering(this.#url, { resume, window: { messages: 1, bytes: 1 } })
    await client.until('an answer', () => client.closed || client.received.length > 0)
    if (!client.closed) {
      // It has expired: this is a new one.
      if ((await client.welcome()).resumed) throw new Error('Resumed from a position that was never reached.')
      await client.close()
      return { what: 'none', frames: 1, code: 1000, expected: undefined, received: client.received }
    }
    const { code } = client.closed
    return { what: 'impossible position', frames: 1, code, expected: [4903], received: client.received }
  }

  /** A HELLO that is valid in form, and what must come of it. */
  #hello(): { readonly body: Hello; readonly mustResume: boolean | undefined } {
    const random = this.#random
    const window = {
      messages: random.pick([0, 1, 4_096, 999_999_999_999_999]),
      bytes: random.pick([0, 1, 262_144, 999_999_999_999_999]),
    }
    const auth = random.pick([undefined, null, 0, '', 'x'.repeat(300), { constructor: {} }, [[]]])
    const topics = random.chance(0.5)
      ? Array.from({ length: random.below(10) }, (_, index) => newSub(random, index))
      : undefined
    const fresh: Hello = { window, ...(auth !== undefined && { auth }), ...(topics && { topics }) }
    const kind = random.below(8)
    const own = this.#own.length ? random.pick(this.#own) : undefined
    const position = { generation: own?.generation ?? '', offset: 0 }
    const sent = 999_999_999
    // A session that is not its own, with a token that is not that session's.
    if (kind === 0) {
      const token = own?.token ?? random.next().toString(36).repeat(3).slice(0, 32)
      const forged = { session: this.#foreign, token, position, sent: random.pick([0, sent]) }
      return { body: { ...fresh, resume: forged }, mustResume: false }
    }
    if (!own || kind > 3) return { body: fresh, mustResume: undefined }
    const { session, token, used } = own
    if (kind === 1 && used.length) {
      const replayed = { session, token: random.pick(used), position, sent }
      return { body: { ...fresh, resume: replayed }, mustResume: false }
    }
    // Its own: there if it has not expired or ended.
    return { body: { ...fresh, resume: { session, token, position, sent } }, mustResume: undefined }
  }

  #keep({ resume }: Hello, { session, token, generation, resumed }: Welcome): void {
    if (session === this.#foreign) throw new Error('It was given a session that is not its own.')
    const own = this.#own
    const index = resumed ? own.findIndex((one) => one.session === session) : -1
    const before = index < 0 ? undefined : own.splice(index, 1)[0]!
    const used = before ? [...before.used, ...(before.former === undefined ? [] : [before.former])] : []
    own.push({ session, token, generation, former: resumed ? resume!.token : undefined, used })
    if (own.length > 8) own.shift()
  }
}

function batch(talk: Talk, payload: (index: number) => Payload): Payload {
  const count = 2 + talk.random.below(6)
  const first = talk.next
  talk.next += count
  return encodeData(
    first,
    0,
    Array.from({ length: count }, (_, index) => payload(index)),
  )
}

/** What the server has sent to a client, at least. */
function lastOffset({ received }: RawClient): number {
  let last = 0
  for (const message of received) {
    const [, first] = /^D(\d+),/.exec(String(message)) ?? []
    if (first) last = Math.max(last, Number(first))
  }
  return last
}
