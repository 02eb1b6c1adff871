import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { numberOption, numberOptions, optionError } from '../core/option.ts'
import { checkedFault, choiceOption, MAX_TIMER_MS, type Direction, type Fault, type ScheduledFault } from './fault.ts'
import type { FlowMode, Path } from './flow.ts'
import { ProxiedConnection } from './proxied-connection.ts'

/** A TCP server to connect to. A number is a port of 127.0.0.1. */
export type Target = number | { readonly host?: string; readonly port: number }

/** Options of {@link faultProxy}. */
export interface FaultProxyOptions {
  /** The server behind the proxy. It need not be up yet. */
  target: Target
  /** The port to listen on, 0 to 65535; 0 takes a free one. @default 0 */
  port?: number
  /** The address to listen on. @default '127.0.0.1' */
  host?: string
}

/** The faults that a proxy has now. */
export interface FaultState {
  readonly clientToServer: FlowMode
  readonly serverToClient: FlowMode
  readonly delayMs: number
  readonly jitterMs: number
  readonly isRefusing: boolean
}

/** What a proxy reports. All times are milliseconds since it began to listen. */
export interface FaultProxyEvents {
  /** A fault has begun, or all have ended. */
  fault: { readonly atMs: number; readonly fault: Fault }
  /** A client has connected; connections are numbered from 1. */
  open: { readonly atMs: number; readonly connection: number }
  /** A client has closed its side, or has been cut off. */
  close: { readonly atMs: number; readonly connection: number }
}

/** A TCP proxy that behaves like a bad network. Each fault lasts until `heal()`, or until another one replaces it. */
export interface FaultProxy {
  readonly host: string
  readonly port: number
  /** What WebSocket clients connect to, such as `ws://127.0.0.1:40123`. */
  readonly url: string
  /** How many clients are connected now: have neither closed their side nor been cut off. */
  readonly connections: number
  /** How many connections were accepted since the start, refused ones not counted. */
  readonly accepted: number
  /** How many connections were refused since the start. */
  readonly refused: number
  readonly state: FaultState

  /** Resets every current connection on both sides (TCP RST), whatever faults there are. */
  reset(): void
  /** Closes every current connection in order on both sides (TCP FIN), behind what has been read, whatever faults there are. */
  end(): void
  /**
   * Swallows all that is sent in that direction, closes and resets included: the sender sees its bytes leave, the
   * receiver is never told. A connection that has lost something stays silent in that direction for ever, also after
   * `heal()`; one that has not goes on. A new connection is accepted, and no more.
   *
   * @throws HeartlineError `ERR_OPTION`
   */
  blackHole(direction?: Direction): void
  /**
   * Stops reading in that direction, so that the sender's bytes pile up in the kernels' buffers and then in its own.
   * Nothing is lost: after `heal()` everything arrives, in order.
   *
   * @throws HeartlineError `ERR_OPTION`
   */
  stall(direction?: Direction): void
  /**
   * Delivers all that is sent from now on `ms` later, and up to `jitterMs` later than that, in both directions. Bytes
   * and closes keep their order. `delay(0)` ends it; what is under way by then still takes its time.
   *
   * @param ms 0 to 2147483647
   * @param jitterMs 0 to 2147483647
   * @throws HeartlineError `ERR_OPTION`
   */
  delay(ms: number, jitterMs?: number): void
  /** Resets new connections at once, as if the server were down. Does nothing to current ones. */
  refuse(): void
  /** Ends all faults. */
  heal(): void
  /** Does what the methods above do. @throws HeartlineError `ERR_OPTION` */
  apply(fault: Fault): void
  /** Leads connections from now on to another server. @throws HeartlineError `ERR_OPTION` */
  retarget(target: Target): void
  /**
   * Carries out a schedule. Resolves when its last fault has begun, or when the proxy closes.
   *
   * @throws HeartlineError `ERR_OPTION` before anything is done; the signal's reason if it aborts: the faults of then stay
   */
  play(schedule: readonly ScheduledFault[], options?: { signal?: AbortSignal }): Promise<void>
  /** Calls the listener at each event. @returns a function that ends this @throws HeartlineError `ERR_OPTION` */
  on<K extends keyof FaultProxyEvents>(type: K, listener: (event: FaultProxyEvents[K]) => void): () => void
  /** Destroys every connection and stops listening. Resolves when no socket and no timer is left. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a TCP proxy in this process that can be told to misbehave.
 *
 * It works on TCP connections, not packets: the kernels at both ends see a healthy connection, so that TCP's own
 * time-outs are not part of what it can test.
 *
 * @throws HeartlineError `ERR_OPTION`; the error of the platform if it cannot listen
 */
export async function faultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  numberOptions('', options, { target: null, port: null, host: null })
  const { target, port, host = '127.0.0.1' } = options
  const proxy = new TcpProxy(address('target', target), hostOption('host', host))
  await proxy.listen(port === undefined ? 0 : portOption('port', port, 0))
  return proxy
}

class TcpProxy implements FaultProxy {
  readonly host: string
  port = 0
  accepted = 0
  refused = 0
  readonly #server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
  readonly #connections = new Set<ProxiedConnection>()
  readonly #toServer: Path = { mode: 'open', delayMs: 0, jitterMs: 0 }
  readonly #toClient: Path = { mode: 'open', delayMs: 0, jitterMs: 0 }
  readonly #listeners = { fault: new Set(), open: new Set(), close: new Set() } as Listeners
  /** Aborts when the proxy closes. */
  readonly #closing = new AbortController()
  readonly #startMs = performance.now()
  #target: Address
  #isRefusing = false
  #closed: Promise<void> | undefined

  constructor(target: Address, host: string) {
    this.#target = target
    this.host = host
  }

  async listen(port: number): Promise<void> {
    this.#server.listen({ port, host: this.host })
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
    // Out of descriptors, for example: the client sees that it is not accepted.
    this.#server.on('error', () => {})
  }

  get url(): string {
    return `ws://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`
  }

  get connections(): number {
    let connections = 0
    for (const { isOpen } of this.#connections) if (isOpen) connections++
    return connections
  }

  get state(): FaultState {
    const { mode, delayMs, jitterMs } = this.#toServer
    return {
      clientToServer: mode,
      serverToClient: this.#toClient.mode,
      delayMs,
      jitterMs,
      isRefusing: this.#isRefusing,
    }
  }

  reset(): void {
    this.apply({ kind: 'reset' })
  }

  end(): void {
    this.apply({ kind: 'end' })
  }

  blackHole(direction: Direction = 'both'): void {
    this.apply({ kind: 'blackHole', direction })
  }

  stall(direction: Direction = 'both'): void {
    this.apply({ kind: 'stall', direction })
  }

  delay(ms: number, jitterMs = 0): void {
    this.apply({ kind: 'delay', ms, jitterMs })
  }

  refuse(): void {
    this.apply({ kind: 'refuse' })
  }

  heal(): void {
    this.apply({ kind: 'heal' })
  }

  apply(fault: Fault): void {
    const checked = checkedFault(fault)
    switch (checked.kind) {
      case 'reset':
        for (const each of this.#connections) each.reset()
        break
      case 'end':
        for (const each of this.#connections) each.end()
        break
      case 'blackHole':
      case 'stall':
        if (checked.direction !== 'serverToClient') this.#toServer.mode = checked.kind
        if (checked.direction !== 'clientToServer') this.#toClient.mode = checked.kind
        break
      case 'delay':
        this.#setDelay(checked.ms, checked.jitterMs ?? 0)
        break
      case 'refuse':
        this.#isRefusing = true
        break
      case 'heal':
        this.#isRefusing = false
        this.#toServer.mode = this.#toClient.mode = 'open'
        this.#setDelay(0, 0)
    }
    for (const each of this.#connections) each.pathChanged()
    this.#emit('fault', { atMs: this.#elapsedMs, fault: checked })
  }

  retarget(target: Target): void {
    this.#target = address('target', target)
  }

  async play(schedule: readonly ScheduledFault[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const entries = schedule
      .map(({ atMs, fault }) => ({
        atMs: numberOption('schedule.atMs', atMs, NaN, 0, MAX_TIMER_MS),
        fault: checkedFault(fault),
      }))
      .sort((one, other) => one.atMs - other.atMs)
    const startMs = performance.now()
    for (const { atMs, fault } of entries) {
      await this.#sleep(startMs + atMs - performance.now(), signal)
      signal?.throwIfAborted()
      if (this.#closed) return
      this.apply(fault)
    }
  }

  on<K extends keyof FaultProxyEvents>(type: K, listener: (event: FaultProxyEvents[K]) => void): () => void {
    const listeners = this.#listeners[choiceOption('type', type, Object.keys(this.#listeners) as K[])]
    // One entry per call, so that each unsubscribe function ends its own subscription.
    const entry = (event: FaultProxyEvents[K]): void => listener(event)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startMs
  }

  #accept(client: Socket): void {
    if (this.#isRefusing || this.#closed) {
      if (!this.#closed) this.refused++
      client.on('error', () => {}).resetAndDestroy()
      return
    }
    const connection = ++this.accepted
    const proxied = new ProxiedConnection(client, this.#toServer, this.#toClient, {
      dial: () => connect({ ...this.#target, allowHalfOpen: true, noDelay: true }),
      left: () => this.#emit('close', { atMs: this.#elapsedMs, connection }),
      gone: () => void this.#connections.delete(proxied),
    })
    this.#connections.add(proxied)
    this.#emit('open', { atMs: this.#elapsedMs, connection })
    proxied.pathChanged()
  }

  #setDelay(delayMs: number, jitterMs: number): void {
    for (const path of [this.#toServer, this.#toClient]) Object.assign(path, { delayMs, jitterMs })
  }

  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const signals = [this.#closing.signal, ...(signal ? [signal] : [])]
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        for (const each of signals) each.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      for (const each of signals) each.addEventListener('abort', wake)
      if (signals.some(({ aborted }) => aborted)) wake()
    })
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await Promise.all([closed, ...[...this.#connections].map((each) => each.destroy())])
  }

  #emit<K extends keyof FaultProxyEvents>(type: K, event: FaultProxyEvents[K]): void {
    for (const listener of this.#listeners[type]) {
      try {
        listener(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

type Listeners = { readonly [K in keyof FaultProxyEvents]: Set<(event: FaultProxyEvents[K]) => void> }

interface Address {
  readonly host: string
  readonly port: number
}

function address(name: string, target: Target): Address {
  const { host = '127.0.0.1', port } = typeof target === 'object' && target ? target : { port: target }
  return {
    host: hostOption(`${name}.host`, host),
    port: portOption(typeof target === 'object' ? `${name}.port` : name, port, 1),
  }
}

function hostOption(name: string, value: string): string {
  if (typeof value === 'string' && value) return value
  throw optionError(`Expected \`${name}\` to be a host name or an IP address, got ${String(value)}.`)
}

function portOption(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min && value <= 65_535) return value
  throw optionError(`Expected \`${name}\` to be an integer from ${min} to 65535, got ${String(value)}.`)
}
