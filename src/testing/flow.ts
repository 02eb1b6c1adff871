import { MAX_TIMER_MS } from './fault.ts'

/** What happens to bytes that go in one direction. */
export type FlowMode = 'open' | 'stall' | 'blackHole'

/** One direction of the path, the same for all connections. */
export interface Path {
  mode: FlowMode
  delayMs: number
  jitterMs: number
}

/** What a {@link Flow} does to the sockets at its two ends. */
export interface FlowEnds {
  /** Reads from the sender, or leaves its bytes in the kernel. */
  read(isReading: boolean): void
  /** Hands bytes to the receiver. @returns whether it takes more at once; if not, `ready()` is called later */
  write(bytes: Uint8Array): boolean
  /** Tells the receiver that the sender has closed. */
  end(): void
  /** Tells the receiver that the connection is broken. */
  reset(): void
}

interface Item {
  readonly atMs: number
  readonly what: Uint8Array | 'end' | 'reset'
}

/** Bytes that may be under way in a delayed flow, before the sender has to wait as in front of a full TCP window. */
const MAX_QUEUED_BYTES = 4_194_304

/**
 * One direction of one connection: takes in what the sender does, and does the same to the receiver later, or never.
 *
 * What comes out is always a prefix of what went in. Once anything was lost, the flow is broken for good: a TCP
 * connection that misses bytes never continues behind the hole.
 */
export class Flow {
  readonly #path: Readonly<Path>
  readonly #ends: FlowEnds
  #queue: Item[] = []
  #queuedBytes = 0
  #isReady = false
  #isBroken = false
  #isStopped = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(path: Readonly<Path>, ends: FlowEnds) {
    this.#path = path
    this.#ends = ends
  }

  /** Whether the receiver may still get something through this flow. */
  get isWhole(): boolean {
    return !this.#isBroken && !this.#isStopped
  }

  /** The sender has sent bytes. */
  received(bytes: Uint8Array): void {
    this.#put(bytes)
  }

  /** The sender has closed its side. */
  ended(): void {
    this.#put('end')
  }

  /** The sender has broken the connection. */
  failed(): void {
    this.#put('reset')
  }

  /** The receiver is connected, or takes bytes again. */
  ready(): void {
    this.#isReady = true
    this.#pump()
  }

  /** The path is another one. */
  pathChanged(): void {
    if (this.#path.mode === 'blackHole' && this.#queue.length) this.#isBroken = true
    this.#pump()
  }

  /** Hands over at once what is under way, then closes in order, whatever the path does. */
  finish(): void {
    if (this.#isStopped) return
    const queue = this.#isBroken ? [] : this.#queue
    this.stop()
    for (const { what } of queue) if (typeof what !== 'string') this.#ends.write(what)
    this.#ends.end()
  }

  /** The receiver is gone: what the sender still sends has nowhere to go. */
  stop(): void {
    this.#isStopped = true
    this.#pump()
  }

  #put(what: Item['what']): void {
    if (!this.isWhole) return
    if (this.#path.mode === 'blackHole') {
      this.#isBroken = true
    } else {
      const { delayMs, jitterMs } = this.#path
      this.#queue.push({ atMs: performance.now() + delayMs + Math.random() * jitterMs, what })
      if (typeof what !== 'string') this.#queuedBytes += what.length
    }
    this.#pump()
  }

  /** Does what is due, and asks to be called again for the rest. */
  #pump(): void {
    clearTimeout(this.#timer)
    const { mode } = this.#path
    if (!this.isWhole) {
      this.#queue = []
      this.#queuedBytes = 0
    } else if (mode === 'open') {
      const now = performance.now()
      while (this.#isReady && this.#queue.length && this.#queue[0]!.atMs <= now) {
        this.#pass(this.#queue.shift()!.what)
      }
      // What is due before the one in front of it waits: nothing overtakes.
      const waitMs = Math.ceil((this.#queue[0]?.atMs ?? 0) - now)
      if (waitMs > 0) this.#timer = setTimeout(() => this.#pump(), Math.min(MAX_TIMER_MS, waitMs))
    }
    const hasRoom = this.#isReady && this.#queuedBytes < MAX_QUEUED_BYTES
    this.#ends.read(!this.isWhole || mode === 'blackHole' || (mode === 'open' && hasRoom))
  }

  #pass(what: Item['what']): void {
    if (what === 'end') {
      this.#ends.end()
    } else if (what === 'reset') {
      this.stop()
      this.#ends.reset()
    } else {
      this.#queuedBytes -= what.length
      this.#isReady = this.#ends.write(what)
    }
  }
}
