import { expect } from 'vitest'
import { ClientSession } from '../../src/core/client-session.ts'
import type { Outgoing } from '../../src/core/session-outbox.ts'
import { noTopics } from '../model/no-topics.ts'
import type { ConnectionState } from '../../src/core/connection.ts'
import { CloseCode } from '../../src/protocol/close-codes.ts'
import type { Payload, Welcome } from '../../src/protocol/frame.ts'

/** `state` of the session; until BYE is on its way, closing is draining, with the state of the connection. */
export type ClientState = ConnectionState | `draining, ${'connecting' | 'open' | 'waiting' | 'suspended'}`

export type ClientInput =
  | 'WELCOME, resumed'
  | 'WELCOME, new'
  | 'WELCOME, impossible'
  | 'REJECT'
  | 'REJECT, final'
  | 'DATA'
  | 'DATA, out of order'
  | 'ACK'
  | 'ACK, not sent'
  | 'GAP'
  | 'GAP, out of order'
  | 'PING'
  | 'PONG'
  | 'GOAWAY'
  | 'GOAWAY, its time'
  | 'BYE'
  | 'NACK'
  | 'HELLO'
  | 'unknown'
  | 'malformed'
  | 'send'
  | 'flush'
  | 'close'
  | 'handled'
  | 'failed'
  | 'failed, its time'
  | 'resumeDelivery'
  | 'ended'
  | 'ended, final'
  | 'ended, superseded'
  | 'attempt failed'
  | 'wake'
  | 'hide'
  | 'tick, early'
  | 'tick, probe due'
  | 'tick, ack due'
  | 'tick, verdict due'
  | 'tick, close due'

interface Message extends Outgoing {
  readonly name: string
}

const welcome: Welcome = {
  session: 's',
  token: 't',
  generation: 'g',
  resumed: false,
  received: 0,
  accepted: 0,
  last: 0,
  window: { messages: 100, bytes: 1_000 },
  maxMessageBytes: 100,
  ttlMs: 1_000,
}
const encode = (changes: Partial<Welcome>) => `W ${JSON.stringify({ ...welcome, ...changes })}`

/** Inputs that find the application with a message in its hands, and another one behind it. */
const busyInputs = new Set<ClientInput>(['handled', 'failed', 'failed, its time'])

/**
 * A client session in a state. Its message 1 has gone out and is not acknowledged, unless BYE has; it has received the
 * server's message 1, handled and acknowledged it.
 */
export class ClientScene {
  readonly effects: string[] = []
  readonly core: ClientSession<Message>
  #now = 0
  #isBusy = false
  #isScheduled = false

  /** @param state `undefined`: at its first attempt, with a message that waits */
  constructor(state: ClientState | undefined, input: ClientInput) {
    this.core = this.#make(input)
    this.core.connection.connect(this.#now)
    if (!state) {
      this.#send('1')
      this.effects.length = 0
      return
    }
    this.#receive(encode({}))
    this.#receive('D1,0 x')
    this.#send('1')
    this.#isBusy = busyInputs.has(input)
    if (this.#isBusy) this.#receive('D2,0 y', 'D3,0 z')
    this.#reach(state)
    this.effects.length = 0
  }

  get state(): ClientState {
    const { state, connection } = this.core
    return state === 'closing' && connection.state !== 'closing'
      ? (`draining, ${connection.state}` as ClientState)
      : state
  }

  /** Gives it an input, and the end of the turn if it wants one. */
  feed(input: ClientInput): void {
    const { core } = this
    const { connection } = core
    const receive = (message: string) => () => this.#receive(message)
    const end = (code: number) => () => connection.ended(this.#now, code, '', true)
    const later = (ms: number) => {
      this.#now += ms
      core.tick(this.#now, 0, 0)
    }
    const inputs: Record<ClientInput, () => void> = {
      'WELCOME, resumed': receive(encode({ resumed: true, last: 3 })),
      'WELCOME, new': receive(encode({ session: 's2', reason: 'unknown' })),
      'WELCOME, impossible': receive(encode({ resumed: true, last: 3, received: 2 })),
      REJECT: receive('R {"code":4803,"reason":"later","retryAfterMs":500}'),
      'REJECT, final': receive('R {"code":4901,"reason":"no"}'),
      DATA: receive('D2,0 y'),
      'DATA, out of order': receive('D3,1 z'),
      ACK: receive('A1'),
      'ACK, not sent': receive('A2'),
      GAP: receive('G {"from":2,"to":4,"reason":"overflow"}'),
      'GAP, out of order': receive('G {"from":3,"to":4,"reason":"overflow"}'),
      PING: receive('P24'),
      PONG: receive('Q'),
      GOAWAY: receive('Y {"withinMs":100}'),
      'GOAWAY, its time': () => {
        this.#receive('Y {"withinMs":3000}')
        later(1_500)
      },
      BYE: receive('E1,0'),
      NACK: receive('N1'),
      HELLO: receive('H {"window":{"messages":1,"bytes":1}}'),
      unknown: receive('Z1'),
      malformed: receive('D1'),
      send: () => this.#send('2'),
      flush: () => core.flush(this.#now),
      close: () => core.close(this.#now),
      handled: () => core.handled(this.#now),
      failed: () => core.failed(this.#now),
      'failed, its time': () => {
        core.failed(this.#now)
        // A sign of life, so that nothing else is due by then.
        if (connection.readyState === 1) this.#receive('Q')
        later(1_000)
      },
      resumeDelivery: () => core.resumeDelivery(this.#now),
      ended: end(1006),
      'ended, final': end(1000),
      'ended, superseded': end(CloseCode.superseded),
      'attempt failed': () => connection.failed(this.#now),
      wake: () => {
        this.#now += 1_500
        core.wake(this.#now)
      },
      hide: () => core.hide(this.#now),
      'tick, early': () => core.tick(this.#now, 0, 0),
      'tick, probe due': () => later(1_001),
      'tick, ack due': () => {
        if (connection.readyState === 1) this.#receive('D2,0 y')
        this.effects.length = 0
        later(50)
      },
      'tick, verdict due': () => this.#tickUntil(Infinity),
      'tick, close due': () => this.#tickUntil(this.#now + 500),
    }
    inputs[input]()
    this.#endTurn()
  }

  #make(input: ClientInput): ClientSession<Message> {
    const { effects } = this
    const lost: Message[] = []
    return new ClientSession<Message>(
      {
        connect: () => effects.push('connect'),
        transmit: (message) => effects.push(String(message)),
        closeTransport: () => effects.push('close'),
        ended: ({ code }) => effects.push(`ended ${code}`),
        schedule: () => (this.#isScheduled = true),
        deliver: ({ number }) => {
          effects.push(`deliver ${number}`)
          return !this.#isBusy
        },
        gap: ({ from, to = '' }) => effects.push(`gap ${from}-${to}`),
        resumed: () => effects.push('resumed'),
        settled: (message, fate) => (fate === 'lost' ? lost.push(message) : effects.push(`${fate} ${message.name}`)),
        lost: (messages) => {
          // Whoever waits for a message has been told, then the application.
          expect(messages).toEqual(lost.splice(0))
          effects.push(`lost ${messages.map(({ name }) => name).join(' ')}`)
        },
        latency: () => effects.push('latency'),
        changed: () => effects.push('changed'),
        random: () => 0.5,
        ...noTopics,
      },
      {
        window: { messages: 100, bytes: 1_000 },
        maxMessageBytes: 100,
        acknowledge: 'handled',
        maxMessages: 10,
        maxBytes: 100,
        waitsForRoom: false,
        timing: {
          connectTimeoutMs: 10_000,
          // In the one case before all else, otherwise after it.
          closeTimeoutMs: input === 'tick, close due' ? 500 : 50_000,
          heartbeat: { intervalMs: 10_000, timeoutMs: 5_000, listenOnly: false, whenSilent: true },
        },
      },
      // Never after 1000 and 49xx; dead of silence: at once. Anything else: in two seconds.
      {
        next: ({ code }) =>
          code === 1000 || code >= 4900 ? undefined : code === CloseCode.heartbeatTimeout ? 0 : 2_000,
      },
    )
  }

  #reach(state: ClientState): void {
    const { core } = this
    const cut = () => core.connection.ended(this.#now, 1006, '', false)
    const retry = () => {
      cut()
      this.#now = core.connection.deadline
      core.tick(this.#now, 0, 0)
    }
    const hide = () => core.hide(this.#now)
    const close = () => core.close(this.#now)
    const reach: Record<ClientState, (() => void)[]> = {
      connecting: [retry],
      open: [],
      waiting: [cut],
      suspended: [hide],
      'draining, connecting': [retry, close],
      'draining, open': [close],
      'draining, waiting': [cut, close],
      'draining, suspended': [hide, close],
      closing: [() => this.#receive('A1'), close],
      closed: [() => core.connection.ended(this.#now, 1000, '', true)],
    }
    for (const step of reach[state]) step()
    this.#endTurn()
  }

  #receive(...messages: Payload[]): void {
    for (const message of messages) this.core.received(this.#now, message)
    this.#endTurn()
  }

  #send(name: string): void {
    if (!this.core.send({ name, data: name, wasSent: false })) this.effects.push('refused')
    this.#endTurn()
  }

  #endTurn(): void {
    if (!this.#isScheduled) return
    this.#isScheduled = false
    this.core.flush(this.#now)
  }

  /** As a timer does it, until there is something else to wait for. */
  #tickUntil(end: number): void {
    const { core } = this
    const { state } = core.connection
    while (core.connection.state === state && core.deadline <= end && core.deadline < Infinity) {
      this.#now = core.deadline
      core.tick(this.#now, 0, 0)
    }
  }
}
