import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { decodeHelloEntry } from '../../protocol/decode.ts'
import { encodeWelcome } from '../../protocol/encode.ts'
import type { Hello, Welcome } from '../../protocol/frame.ts'
import { PROTOCOL } from '../../protocol/limits.ts'
import { ConformanceError } from './conformance-case.ts'
import { expectThat, RawConnection, SOON_MS } from './raw-connection.ts'
import type { Transcript } from './transcript.ts'

/** A connection of the client under test, as its server sees it. */
export class RawPeer extends RawConnection {
  readonly url: string
  /** What the client has offered as subprotocols. */
  readonly offers: readonly string[]
  /** When it came. */
  readonly at = performance.now()

  constructor(webSocket: WebSocket, { url = '', headers }: IncomingMessage, name: string, transcript: Transcript) {
    super(webSocket, name, transcript)
    this.url = url
    this.offers = (headers['sec-websocket-protocol'] ?? '').split(',').map((entry) => entry.trim())
    transcript.add(name, `← upgrade ${url}, ${this.offers.map(decodeURIComponent).join(', ')}`)
  }

  /** What the client says first, in its upgrade request or its first frame. */
  async hello(): Promise<Hello> {
    for (const offer of this.offers) {
      const hello = decodeHelloEntry(offer)
      if (hello) return hello
    }
    const { body } = await this.expect('hello')
    expectThat(this.frames[0]!.type === 'hello', 'HELLO as first frame')
    return body
  }

  /** Answers HELLO. */
  welcome(welcome: Welcome): void {
    this.received = welcome.received
    this.send(encodeWelcome(welcome))
  }
}

/** A server that the runner plays. */
export class RawServer {
  /** Which of the offered subprotocols it selects. */
  select: (offers: ReadonlySet<string>) => string | false = () => PROTOCOL
  readonly #transcript: Transcript
  readonly #server: WebSocketServer
  readonly #peers: RawPeer[] = []
  #taken = 0
  #changed: () => void = () => {}

  constructor(transcript: Transcript) {
    this.#transcript = transcript
    this.#server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      perMessageDeflate: false,
      handleProtocols: (offers) => this.select(offers),
    })
    this.#server.on('connection', (webSocket, request) => {
      this.#peers.push(new RawPeer(webSocket, request, `server ${this.#peers.length + 1}`, transcript))
      this.#changed()
    })
  }

  /** Where it listens, as soon as it does. */
  async listening(): Promise<string> {
    await new Promise((resolve) => this.#server.once('listening', resolve))
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The next connection that nobody has looked at. */
  async next(withinMs = SOON_MS): Promise<RawPeer> {
    const deadline = performance.now() + withinMs
    while (this.#peers.length <= this.#taken) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw new ConformanceError(`Expected a connection within ${withinMs} ms.`)
      await this.#change(leftMs)
    }
    return this.#peers[this.#taken++]!
  }

  /** Waits, and expects that no connection comes. */
  async nobody(ms: number): Promise<void> {
    await this.#change(ms)
    if (this.#peers.length > this.#taken) throw new ConformanceError('Expected that the client does not come back.')
    this.#transcript.add('server', `nobody came for ${ms} ms`)
  }

  end(): void {
    for (const peer of this.#peers) if (!peer.closing) peer.cut()
    this.#server.close()
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
