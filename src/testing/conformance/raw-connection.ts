import { Buffer } from 'node:buffer'
import type { WebSocket } from 'ws'
import { decode } from '../../protocol/decode.ts'
import { encodeData } from '../../protocol/encode.ts'
import type { Frame, Payload } from '../../protocol/frame.ts'
import { ConformanceError } from './conformance-case.ts'
import { shown, type Transcript } from './transcript.ts'

/** The frame of a type. */
export type FrameOf<Type extends Frame['type']> = Extract<Frame, { readonly type: Type }>

/** How long a case waits for what has to happen soon. */
export const SOON_MS = 4_000

const atAnyTime = new Set<Frame['type']>(['data', 'ack', 'ping', 'pong', 'tdata', 'volatile', 'skip'])

interface Closing {
  readonly code: number
  readonly reason: string
}

/**
 * One end of a connection, played by the runner: it says exactly what the case wants, and keeps what it hears.
 *
 * It answers PING by itself, unless told otherwise, and checks that the numbers it gets are consecutive.
 */
export class RawConnection {
  /** All frames that came, in order, with those that were already looked at. */
  readonly frames: Frame[] = []
  /** All messages that came with DATA and BATCH, in order. */
  readonly heard: Payload[] = []
  /** Last number that has come, or that a GAP covers. */
  received = 0
  /** Highest number that was used. */
  sent = 0
  /** Highest acknowledgement that came. */
  acked = -1
  pings = 0
  answersPings = true
  /** Whether what is said acknowledges what has come. */
  acknowledges = true
  /** The largest payload that a frame with several messages had. */
  largestBatch = 0
  /** How it was closed, if it was. */
  closing: Closing | undefined
  protected readonly webSocket: WebSocket
  readonly #name: string
  readonly #transcript: Transcript
  readonly #changes = new Set<() => void>()
  /** The next number, once the first one has come. */
  #next: number | undefined
  /** How many of the frames were looked at. */
  #looked = 0
  #broken: ConformanceError | undefined

  constructor(webSocket: WebSocket, name: string, transcript: Transcript) {
    this.webSocket = webSocket
    this.#name = name
    this.#transcript = transcript
    webSocket.on('message', (data: Buffer, isBinary) =>
      this.#message(isBinary ? new Uint8Array(data) : data.toString()),
    )
    webSocket.on('close', (code, reason) => {
      this.closing = { code, reason: String(reason) }
      transcript.add(name, `× closed with ${code} ${String(reason)}`)
      this.#changed()
    })
    webSocket.on('error', ({ message }) => transcript.add(name, `× ${message}`))
  }

  /** Sends a WebSocket message as it is. */
  send(message: Payload): void {
    this.#transcript.add(this.#name, `→ ${shown(message)}`)
    this.webSocket.send(message)
  }

  /** Sends messages with the next numbers: all in one frame if there are several. */
  say(...payloads: Payload[]): void {
    this.send(encodeData(this.sent + 1, this.acknowledges ? this.received : 0, payloads))
    this.sent += payloads.length
  }

  acknowledge(): void {
    this.send(`A${this.received}`)
  }

  /** Ends the TCP connection, without a word. */
  cut(): void {
    this.#transcript.add(this.#name, '✂')
    this.webSocket.terminate()
  }

  close(code: number, reason = ''): void {
    this.#transcript.add(this.#name, `→ close with ${code}`)
    this.webSocket.close(code, reason)
  }

  /**
   * The next frame that is not a message, of the inbox or a topic, an acknowledgement or a heartbeat, unless one of those
   * is asked for: they may come at any time.
   *
   * @throws ConformanceError if it is of another type, or none comes
   */
  async expect<Type extends Frame['type']>(type: Type, withinMs?: number): Promise<FrameOf<Type>> {
    const frame = await this.until(
      type.toUpperCase(),
      () => {
        while (this.#looked < this.frames.length) {
          const frame = this.frames[this.#looked++]!
          if (frame.type === type || !atAnyTime.has(frame.type)) return frame
        }
        if (this.closing) throw this.#unexpected(type.toUpperCase())
        return
      },
      withinMs,
    )
    if (frame.type !== type)
      throw new ConformanceError(`Expected ${type.toUpperCase()}, got ${frame.type.toUpperCase()}.`)
    return frame as FrameOf<Type>
  }

  /** @returns all messages that have come, as soon as there are so many */
  async hear(count: number, withinMs?: number): Promise<Payload[]> {
    const what = `${count} messages, not ${this.heard.length},`
    return this.until(
      what,
      () => {
        if (this.heard.length > count)
          throw new ConformanceError(`Expected ${count} messages, got ${this.heard.length}.`)
        if (this.heard.length === count) return [...this.heard]
        if (this.closing) throw this.#unexpected(what)
        return
      },
      withinMs,
    )
  }

  /** Waits until the other side has acknowledged a number. */
  async acknowledged(number: number): Promise<void> {
    const what = `an acknowledgement of ${number}`
    await this.until(what, () => {
      if (this.acked > number) throw new ConformanceError(`Expected ${what}, got one of ${this.acked}.`)
      if (this.acked === number) return true
      if (this.closing) throw this.#unexpected(what)
      return
    })
  }

  /** Waits until the connection is closed. @throws ConformanceError if it is with none of these codes */
  async closed(...codes: number[]): Promise<Closing> {
    return this.closedWithin(SOON_MS, ...codes)
  }

  async closedWithin(withinMs: number, ...codes: number[]): Promise<Closing> {
    const closing = await this.until(`a close with ${codes.join(' or ') || 'any code'}`, () => this.closing, withinMs)
    if (codes.length && !codes.includes(closing.code))
      throw new ConformanceError(`Expected a close with ${codes.join(' or ')}, got ${closing.code}.`)
    return closing
  }

  /** Waits, and expects that meanwhile nothing comes but heartbeats, and the connection stays open. */
  async quiet(ms: number, but: readonly Frame['type'][] = []): Promise<void> {
    const { length } = this.frames
    const allowed = new Set(['ping', 'pong', ...but])
    await pause(ms)
    if (this.closing) throw this.#unexpected('silence')
    const frame = this.frames.slice(length).find(({ type }) => !allowed.has(type))
    if (frame) throw new ConformanceError(`Expected silence, got ${frame.type.toUpperCase()}.`)
  }

  /** Waits until something is there. */
  async until<T>(what: string, find: () => T | undefined, withinMs = SOON_MS): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const end = (): void => {
        this.#changes.delete(look)
        clearTimeout(timer)
      }
      const look = (): void => {
        try {
          const found = find()
          if (found === undefined) {
            if (this.#broken) throw this.#broken
            return
          }
          end()
          resolve(found)
        } catch (error) {
          end()
          reject(error as Error)
        }
      }
      const timer = setTimeout(() => {
        end()
        reject(new ConformanceError(`Expected ${what} within ${withinMs} ms.`))
      }, withinMs)
      this.#changes.add(look)
      look()
    })
  }

  /** A frame has come, and is not yet taken note of. */
  protected came(_frame: Frame): void {}

  #message(message: Payload): void {
    this.#transcript.add(this.#name, `← ${shown(message)}`)
    let frame: Frame
    try {
      frame = decode(message)
    } catch {
      this.#broken ??= new ConformanceError(`${shown(message)} is no frame.`)
      this.#changed()
      return
    }
    this.came(frame)
    this.#note(frame)
    this.frames.push(frame)
    this.#changed()
  }

  #note(frame: Frame): void {
    if ('ack' in frame) this.acked = Math.max(this.acked, frame.ack)
    if (frame.type === 'ping') {
      this.pings++
      if (this.answersPings) this.send('Q')
    } else if (frame.type === 'data') {
      this.#numbered(frame.first, frame.first + frame.payloads.length - 1)
      this.heard.push(...frame.payloads)
      if (frame.payloads.length > 1) {
        const size = frame.payloads.reduce((sum, { length }) => sum + length, 0)
        this.largestBatch = Math.max(this.largestBatch, size)
      }
    } else if (frame.type === 'gap' && frame.body.topic === undefined) this.#numbered(frame.body.from, frame.body.to)
  }

  #numbered(from: number, to: number): void {
    const next = this.#next ?? this.received + 1
    if (from !== next) this.#broken ??= new ConformanceError(`Expected the number ${next}, got ${from}.`)
    this.#next = to + 1
    this.received = to
  }

  #unexpected(what: string): ConformanceError {
    const { code, reason } = this.closing!
    return new ConformanceError(`Expected ${what}, got a close with ${code} ${reason}.`)
  }

  #changed(): void {
    for (const look of this.#changes) look()
  }
}

/** Two payloads are the same. */
export function isSame(one: Payload | undefined, other: Payload | undefined): boolean {
  if (typeof one === 'string' || typeof other === 'string' || !one || !other) return one === other
  return Buffer.from(one).equals(other)
}

/** @throws ConformanceError unless these are the payloads, in this order */
export function expectPayloads(actual: readonly Payload[], expected: readonly Payload[]): void {
  const isEqual =
    actual.length === expected.length && expected.every((payload, index) => isSame(payload, actual[index]))
  const list = (payloads: readonly Payload[]): string => payloads.map(shown).join(' | ')
  if (!isEqual) throw new ConformanceError(`Expected the messages ${list(expected)}, got ${list(actual)}.`)
}

/** @throws ConformanceError unless it holds */
export function expectThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ConformanceError(`Expected ${what}.`)
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
