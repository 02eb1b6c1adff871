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
    this.session.on('message', ({ data }) => {
      if (!this.#arrived) this.#fault ??= new Error(`The bystander got what it did not wait for: ${String(data)}`)
      this.#arrived?.(String(data))
    })
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
