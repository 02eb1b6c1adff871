import type { Hello, Payload } from '../../../src/protocol/frame.ts'
import type { EventQueue } from './event-queue.ts'

export type Side = 'client' | 'server'

/** What one side of a wire is told. */
export interface WireEnd {
  received(message: Payload): void
  closed(code: number): void
}

/** How the network is for wires that are made, and for what is sent from now on. */
export interface NetworkState {
  delayMs: number
  /** Nothing new gets through at all. */
  isDown: boolean
}

/**
 * One WebSocket in virtual time: first in, first out in each direction. A direction that has lost anything is dead for good, as
 * with TCP; its sender is told nothing.
 */
export class Wire {
  client: WireEnd | undefined
  server: WireEnd | undefined
  readonly hello: Hello | undefined
  /** Bytes of all that reached the server: any of them is life. */
  arrivedAtServer = 0
  readonly #queue: EventQueue
  readonly #network: NetworkState
  readonly #isLost = { client: false, server: false }
  /** When the last message of each direction arrives: none overtakes another. */
  readonly #lastAt = { client: 0, server: 0 }

  constructor(queue: EventQueue, network: NetworkState, hello: Hello | undefined) {
    this.#queue = queue
    this.#network = network
    this.hello = hello
    if (network.isDown) this.#isLost.client = this.#isLost.server = true
  }

  /** Loses all that is under way to that side, and all that will be sent. */
  lose(to: Side): void {
    this.#isLost[to] = true
  }

  /** Something happens at that side, after all that was sent before. */
  deliver(to: Side, run: (end: WireEnd) => void): void {
    if (this.#isLost[to]) return
    const at = Math.max(this.#lastAt[to], this.#queue.now + this.#network.delayMs)
    this.#lastAt[to] = at
    this.#queue.after(at - this.#queue.now, () => {
      const end = this[to]
      if (end && !this.#isLost[to]) run(end)
    })
  }

  send(to: Side, message: Payload): void {
    this.deliver(to, (end) => {
      if (to === 'server') this.arrivedAtServer += message.length + 2
      end.received(message)
    })
  }

  /** One side closes: the other one hears of it, if anything gets there. */
  close(from: Side, code: number): void {
    this[from] = undefined
    const to = from === 'client' ? 'server' : 'client'
    this.deliver(to, (end) => {
      this[to] = undefined
      end.closed(code)
    })
  }

  /** The network ends it: both sides hear 1006, each if it can. */
  cut(): void {
    for (const side of ['client', 'server'] as const)
      this.deliver(side, (end) => {
        this[side] = undefined
        end.closed(1006)
      })
  }
}
