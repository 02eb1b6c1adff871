import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test as base } from 'vitest'
import { WebSocket } from 'ws'
import { faultProxy, type FaultProxy } from '../../src/testing/index.ts'
import {
  HeartbeatWebSocket,
  ReconnectingWebSocket,
  type CloseEventLike,
  type Data,
  type DropEvent,
  type ErrorEventLike,
  type Provider,
  type ReconnectingOptions,
  type SocketOptions,
  type StateChangeEvent,
} from '../../src/websocket/index.ts'
import { Journal } from './journal.ts'
import { MuteServer, TestServer, type TestServerOptions } from './test-server.ts'

/** Far below the 30 s after which `ws` gives up a closing handshake, far above what a busy machine is late by. */
export const heartbeat = {
  message: 'ping',
  isReply: (data: unknown) => data === 'pong',
  intervalMs: 400,
  timeoutMs: 300,
}
/** The bound that the heartbeat above promises. */
export const BOUND_MS = 700
/** How much later than its bound a busy machine may be. */
export const SLACK_MS = 2_000
/** Retries that do not hold a test up. */
export const quickly = { minDelayMs: 1, maxDelayMs: 20 }
/** Retries that do not come in the time of a test: a delay is random, and may be a thousandth of its upper end. */
export const never = { minDelayMs: 2_147_483_647, maxDelayMs: 2_147_483_647 }

/** All that a socket has told. */
export class Observed<S extends HeartbeatWebSocket | ReconnectingWebSocket> {
  readonly socket: S
  opens = 0
  readonly messages: any[] = []
  readonly errors: ErrorEventLike[] = []
  readonly closes: CloseEventLike[] = []
  readonly states: StateChangeEvent[] = []
  readonly drops: DropEvent[] = []

  constructor(socket: S, journal: Journal, name: string) {
    this.socket = socket
    const { messages, errors, closes, states, drops } = this
    const listen = (type: string, take: (event: any) => unknown) =>
      socket.addEventListener(type, (event) => journal.note(`${name}: ${type}`, take(event)))
    listen('open', () => void this.opens++)
    listen('message', (event) => (messages.push(event.data), event.data))
    listen('error', (event) => (errors.push(event), event.message))
    listen('close', (event) => (closes.push(event), [event.code, event.reason]))
    listen('statechange', (event) => (states.push(event), event.state))
    listen('drop', (event) => (drops.push(event), event.reason))
  }

  /** All messages that were reported as in doubt. */
  get inDoubt(): Data[] {
    return this.states.flatMap(({ inDoubt }) => inDoubt)
  }
}

/** Those who take part in one test. All of them end with it. */
export class Scene {
  readonly journal = new Journal()
  readonly #ends: (() => unknown)[] = []

  /** Runs when the test is over, latest first. */
  atEnd(end: () => unknown): void {
    this.#ends.push(end)
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }

  async server(options: TestServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(this.journal, options)
    await server.listen()
    this.atEnd(() => server.stop())
    return server
  }

  async muteServer(): Promise<MuteServer> {
    const server = new MuteServer(this.journal)
    await server.listen()
    this.atEnd(() => server.stop())
    return server
  }

  async proxy(target: { readonly port: number }): Promise<FaultProxy> {
    const proxy = await faultProxy({ target: target.port })
    this.atEnd(() => proxy.close())
    proxy.on('fault', ({ fault }) => this.journal.note('proxy: fault', fault))
    return proxy
  }

  /** A URL on which nobody listens. */
  async deadUrl(): Promise<string> {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await once(server.close(), 'close')
    return `ws://127.0.0.1:${port}/`
  }

  heartbeatWebSocket(
    url: string,
    options: SocketOptions = {},
    protocols?: string | string[],
  ): Observed<HeartbeatWebSocket> {
    return this.#observe(new HeartbeatWebSocket(url, protocols, { WebSocket, heartbeat, ...options }))
  }

  reconnectingWebSocket(
    url: Provider<string | URL>,
    options: ReconnectingOptions = {},
    protocols?: Provider<string | string[] | undefined>,
  ): Observed<ReconnectingWebSocket> {
    return this.#observe(
      new ReconnectingWebSocket(url, protocols, { WebSocket, heartbeat, reconnect: quickly, ...options }),
    )
  }

  /**
   * Resolves when another client has tried many times in vain: in that time, whatever must not happen would have
   * happened with the delays of {@link quickly}.
   */
  async othersRetry(): Promise<void> {
    const other = new Observed(
      new ReconnectingWebSocket(await this.deadUrl(), [], { WebSocket, reconnect: quickly }),
      this.journal,
      'other',
    )
    await this.journal.until('20 attempts of another client', () => other.closes.length >= 20)
    other.socket.close()
  }

  #observe<S extends HeartbeatWebSocket | ReconnectingWebSocket>(socket: S): Observed<S> {
    this.atEnd(() => socket.close())
    return new Observed(socket, this.journal, 'client')
  }
}

export const test = base.extend<{ scene: Scene }>({
  // oxlint-disable-next-line eslint/no-empty-pattern -- vitest asks for a pattern
  scene: async ({}, use) => {
    const scene = new Scene()
    await use(scene)
    await scene.end()
  },
})
