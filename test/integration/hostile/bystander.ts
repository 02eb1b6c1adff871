import { WebSocket } from 'ws'
import { connect } from '../../../src/client/node.ts'
import type { Session } from '../../../src/client/index.ts'

/** Part of all that is a bystander's alone. Whoever else receives it has found a leak. */
export const SECRET = 'bystander-secret-'

/** A client that does nothing wrong, with an echo server: all of its messages come back, once and in order. */
export class Bystander {
  readonly session: Session
  /** All tokens that it was ever given. */
  readonly tokens: string[] = []
  readonly states: string[] = []
  trips = 0
  /** Messages of topics that came, in order and without a gap. */
  heard = 0
  readonly #name: string
  #arrived: ((text: string) => void) | undefined
  #fault: Error | undefined

  constructor(url: string, name: string) {
    this.#name = name
    const { tokens } = this
    class WatchedWebSocket extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols)
        this.on('message', (data) => {
          const text = String(data)
          if (text.startsWith('W ')) tokens.push((JSON.parse(text.slice(2)) as { token: string }).token)
        })
      }
    }
    this.session = connect(url, { WebSocket: WatchedWebSocket, closeTimeoutMs: 0, auth: SECRET + name })
    this.session.on('state', ({ state, ending }) => this.states.push(ending ? `${state} ${ending.code}` : state))
    this.session.on('message', ({ data, topic }) => {
      // It is told what the server publishes to those who do nothing wrong.
      if (topic !== undefined) return this.#check(String(data).startsWith(SECRET), `${topic}: ${String(data)}`)
      if (!this.#arrived) this.#fault ??= new Error(`The bystander got what it did not wait for: ${String(data)}`)
      this.#arrived?.(String(data))
    })
  }

  /** Subscribes to what the server publishes for those who do nothing wrong. Call it after a first round trip. */
  listen(): void {
    const subscription = this.session.subscribe('private')
    let last = 0
    subscription.on('message', ({ data, position }) => {
      const { offset } = position!
      this.#check(!last || offset === last + 1, `${offset} behind ${last}`)
      this.#check(String(data).startsWith(SECRET), String(data))
      last = offset
      this.heard++
    })
    subscription.on('gap', (gap) => this.#check(false, JSON.stringify(gap)))
    subscription.on('ended', ({ reason }) => this.#check(false, reason))
  }

  #check(holds: boolean, what: string): void {
    if (!holds) this.#fault ??= new Error(`The bystander got what is not right: ${what}`)
  }

  /** One message there and back. Call it again when it has resolved. */
  async roundTrip(): Promise<void> {
    const text = `${SECRET}${this.#name} ${++this.trips}`
    const echo = new Promise<string>((resolve) => (this.#arrived = resolve))
    const sent = this.session.send(text)
    const got = await echo
    this.#arrived = undefined
    await sent
    if (got !== text) throw new Error(`The bystander sent ${text}, and got ${got}.`)
    if (this.#fault) throw this.#fault
  }
}
