import { WebSocket, type ClientOptions } from 'ws'
import { encodeHello, encodeHelloEntry } from '../../../src/protocol/encode.ts'
import type { Hello, Payload, Welcome } from '../../../src/protocol/frame.ts'
import { PROTOCOL } from '../../../src/protocol/limits.ts'

/** It only bounds a test that fails. */
const PATIENCE_MS = 20_000

export const hello: Hello = { window: { messages: 4_096, bytes: 262_144 } }

/** A WebSocket that speaks heartline by hand, and may say anything. */
export class RawClient {
  readonly socket: WebSocket
  readonly received: Payload[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  /** Why it could not connect. */
  error: Error | undefined
  readonly #waiters = new Set<() => void>()

  constructor(url: string, protocols: string[] = [PROTOCOL], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options })
    this.socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? data : String(data)
      // It lives.
      if (typeof message === 'string' && message.startsWith('P')) this.socket.send('Q')
      this.received.push(message)
      this.#look()
    })
    this.socket.on('open', () => this.#look())
    this.socket.on('error', (error) => {
      this.error = error
      this.#look()
    })
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
      this.#look()
    })
  }

  /** Connects with the HELLO inside the upgrade request. */
  static entering(url: string, body: Hello = hello, options: ClientOptions = {}): RawClient {
    return new RawClient(url, [PROTOCOL, encodeHelloEntry(body)], options)
  }

  /** Connects, and sends the HELLO as first frame. */
  static async greeting(url: string, body: Hello = hello, options: ClientOptions = {}): Promise<RawClient> {
    const client = new RawClient(url, [PROTOCOL], options)
    await client.opened()
    client.socket.send(encodeHello(body))
    return client
  }

  /** Text as a text message, bytes as a binary one. */
  send(...messages: Payload[]): void {
    for (const message of messages) this.socket.send(message)
  }

  opened(): Promise<unknown> {
    return this.until('open', () => this.socket.readyState === WebSocket.OPEN || this.closed || this.error)
  }

  async welcome(): Promise<Welcome> {
    const message = await this.until('WELCOME', () => {
      if (this.closed) throw new Error(`Closed without a WELCOME: ${JSON.stringify(this.closed)}.`)
      return this.received.find((message) => typeof message === 'string' && message.startsWith('W '))
    })
    return JSON.parse(String(message).slice(2)) as Welcome
  }

  /** Waits for the first message after `from` that begins so, or the end. */
  answered(start: string, from = 0): Promise<Payload | true> {
    return this.until(
      start,
      () => (this.closed && true) || this.received.slice(from).find((one) => String(one).startsWith(start)),
    )
  }

  /** Waits until the server has looked at all that was sent. @returns whether the connection is still open */
  async isAlive(): Promise<boolean> {
    const from = this.received.length
    const ask = (): void => {
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send('P')
    }
    ask()
    // While much else is on its way, it may stay unanswered.
    const timer = setInterval(ask, 500)
    try {
      await this.until('PONG or the end', () => this.closed || this.received.includes('Q', from))
    } finally {
      clearInterval(timer)
    }
    return !this.closed
  }

  /** @returns how the connection ended */
  ended(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until('the end', () => this.closed)
  }

  async close(code = 1000): Promise<void> {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.close(code)
    await this.ended()
  }

  until<T>(expected: string, find: () => T | undefined | false): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const found = find()
          if (!found) return
          resolve(found)
        } catch (error) {
          reject(error as Error)
        }
        clearTimeout(timer)
        this.#waiters.delete(look)
      }
      const timer = setTimeout(() => {
        this.#waiters.delete(look)
        const seen = this.received.slice(-5).map((message) => String(message).slice(0, 200))
        reject(
          new Error(`Not seen: ${expected}. Closed: ${JSON.stringify(this.closed)}. Received: ${seen.join(' | ')}`),
        )
      }, PATIENCE_MS)
      this.#waiters.add(look)
      look()
    })
  }

  #look(): void {
    for (const waiter of this.#waiters) waiter()
  }
}
