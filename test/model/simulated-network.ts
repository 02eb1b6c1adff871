import type { Direction, VirtualClock } from '../../src/testing/index.ts'
import type { WebSocketLike } from '../../src/websocket/index.ts'

type Handler = ((event: any) => void) | null

/** How long a browser's `close()` on a dead path takes to give the `close` event (Chromium, field notes). */
const NATIVE_CLOSE_MS = 60_000

/**
 * A network with one server in virtual time. The server answers `ping` with `pong`, keeps every other message, and
 * speaks by itself if told to. A transport that has lost anything in a direction stays silent in it.
 */
export class SimulatedNetwork {
  /** All that the server has got, in order. */
  readonly received: string[] = []
  /** How many timers of the clock are the network's. */
  pending = 0
  readonly transports: SimulatedTransport[] = []
  readonly WebSocket: new (url: string | URL) => WebSocketLike
  readonly #clock: VirtualClock
  readonly #delayMs: number
  #lost = { clientToServer: false, serverToClient: false }
  #isRefusing = false

  constructor(clock: VirtualClock, delayMs: number) {
    this.#clock = clock
    this.#delayMs = delayMs
    const network = this
    this.WebSocket = class extends SimulatedTransport {
      constructor(url: string | URL) {
        super(network, String(url))
      }
    }
  }

  /** Loses everything from now on: for good on the transports that are there, until {@link heal} on new ones. */
  blackHole(direction: Direction): void {
    if (direction !== 'serverToClient') this.#lost.clientToServer = true
    if (direction !== 'clientToServer') this.#lost.serverToClient = true
    for (const transport of this.transports) transport.lose(this.#lost)
  }

  refuse(): void {
    this.#isRefusing = true
  }

  heal(): void {
    this.#isRefusing = false
    this.#lost = { clientToServer: false, serverToClient: false }
  }

  /** The server ends every connection. */
  cut(code: number): void {
    for (const transport of this.transports) transport.fromServer(() => transport.end(code, '', code !== 1006))
  }

  push(text: string): void {
    for (const transport of this.transports)
      if (transport.isAccepted) transport.fromServer(() => transport.deliver(text))
  }

  begin(transport: SimulatedTransport): void {
    this.transports.push(transport)
    transport.lose(this.#lost)
    transport.toServer(() => {
      if (this.#isRefusing) transport.fromServer(() => transport.end(1006, '', false))
      else {
        transport.isAccepted = true
        transport.fromServer(() => transport.open())
      }
    })
  }

  accept(transport: SimulatedTransport, data: string): void {
    if (data === 'ping') transport.fromServer(() => transport.deliver('pong'))
    else this.received.push(data)
  }

  after(ms: number, run: () => void): void {
    this.pending++
    this.#clock.setTimeout(() => {
      this.pending--
      run()
    }, ms)
  }

  get delayMs(): number {
    return this.#delayMs
  }

  get nativeCloseMs(): number {
    return NATIVE_CLOSE_MS
  }
}

class SimulatedTransport implements WebSocketLike {
  onopen: Handler = null
  onmessage: Handler = null
  onerror: Handler = null
  onclose: Handler = null
  binaryType = 'blob'
  readonly bufferedAmount = 0
  readonly extensions = ''
  readonly protocol = ''
  readyState = 0
  readonly url: string
  isAccepted = false
  readonly #network: SimulatedNetwork
  #lost = { clientToServer: false, serverToClient: false }

  constructor(network: SimulatedNetwork, url: string) {
    this.#network = network
    this.url = url
    network.begin(this)
  }

  /** The application can still hear from it. */
  get isAttached(): boolean {
    return this.onclose !== null && this.readyState < 3
  }

  lose(lost: { clientToServer: boolean; serverToClient: boolean }): void {
    this.#lost.clientToServer ||= lost.clientToServer
    this.#lost.serverToClient ||= lost.serverToClient
  }

  toServer(run: () => void): void {
    this.#network.after(this.#network.delayMs, () => {
      if (!this.#lost.clientToServer) run()
    })
  }

  fromServer(run: () => void): void {
    this.#network.after(this.#network.delayMs, () => {
      if (!this.#lost.serverToClient) run()
    })
  }

  open(): void {
    if (this.readyState) return
    this.readyState = 1
    this.onopen?.({})
  }

  deliver(data: string): void {
    if (this.readyState < 3) this.onmessage?.({ data })
  }

  end(code: number, reason: string, wasClean: boolean): void {
    if (this.readyState === 3) return
    this.isAccepted = false
    this.readyState = 3
    this.onclose?.({ code, reason, wasClean })
  }

  send(data: string): void {
    if (!this.readyState) throw new DOMException('connecting', 'InvalidStateError')
    if (this.readyState === 1) this.toServer(() => this.isAccepted && this.#network.accept(this, data))
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState > 1) return
    const wasOpen = this.readyState === 1
    this.readyState = 2
    if (!wasOpen) return this.#network.after(0, () => this.end(1006, '', false))
    this.toServer(() => {
      this.isAccepted = false
      this.fromServer(() => this.end(code, reason, true))
    })
    this.#network.after(this.#network.nativeCloseMs, () => this.end(1006, '', false))
  }
}
