import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { decode, decodeHelloEntry } from '../../../src/protocol/decode.ts'
import { encodeAck, encodeData, encodeGap, encodeNack, encodeWelcome } from '../../../src/protocol/encode.ts'
import type { Hello, Payload, Welcome } from '../../../src/protocol/frame.ts'
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

/** The conversation of one connection. */
interface Talk {
  readonly random: Random
  readonly socket: WebSocket
  readonly send: (...messages: Payload[]) => void
  readonly kept: Kept
  frames: number
}

type ValidFrame = (talk: Talk) => Payload
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
]

const text =
  (...messages: string[]) =>
  ({ send }: Talk) =>
    send(...messages)
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
]
const unknown = [
  'H {}',
  'H {"window":{"messages":1,"bytes":1}}',
  'W {',
  'T1,0 x',
  'S {}',
  'U {}',
  'ping',
  '{"a":1}',
  'pong',
]

const violations: readonly Violation[] = [
  ...malformed.map((frame): Violation => [`malformed ${frame}`, [4903], text(frame)]),
  ...unknown.map((frame): Violation => [`unknown ${frame}`, [4903], text(frame)]),
  ['second WELCOME', [4903], ({ send, kept }) => send(encodeWelcome(kept.welcome))],
  ['REJECT after WELCOME', [4903], text('R {"code":4000,"reason":""}')],
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
    send(encodeWelcome(welcome))
    for (let left = random.below(12); left > 0; left--) {
      send(random.pick(validFrames)(talk))
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
        const mutated = mutate(random, random.pick(validFrames)(talk))
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

const slotOf = ({ url }: IncomingMessage): number => Number(url!.slice(1))
