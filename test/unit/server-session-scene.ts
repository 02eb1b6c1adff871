import { expect } from 'vitest'
import type { Slice } from '../../src/core/outflow.ts'
import { ServerSession, type Attachment, type Commit, type ServerSessionState } from '../../src/core/server-session.ts'
import { decode } from '../../src/protocol/decode.ts'
import type { Hello } from '../../src/protocol/frame.ts'
import { Violation } from '../../src/protocol/violation.ts'

export type ServerInput =
  | 'attached'
  | 'attached, older'
  | 'attached, gone'
  | 'attached, impossible'
  | 'attached, generation'
  | 'DATA'
  | 'DATA, duplicate'
  | 'DATA, out of order'
  | 'ACK'
  | 'ACK, not sent'
  | 'BYE'
  | 'BYE, out of order'
  | 'GAP'
  | 'DATA, displaced'
  | 'BYE, displaced'
  | 'detached'
  | 'detached, displaced'
  | 'appended'
  | 'handled'
  | 'failed'
  | 'resumeDelivery'
  | 'committed'
  | 'committed, refused'
  | 'committed, older'
  | 'refused, attaching'
  | 'attachAnswered'
  | 'attachAnswered, failed'
  | 'commitFailed'
  | 'loaded'
  | 'loaded, stale'
  | 'readFailed'
  | 'end'
  | 'writable'
  | 'flush'

/** A connection, by its name. */
type Transport = 'former' | 'current' | 'new' | 'late'

const NOW = 0
const WINDOW = { messages: 100, bytes: 1_000 }

/** Inputs that find the application with a message in its hands, and another one behind it. */
const busyInputs = new Set<ServerInput>(['handled', 'failed'])
/** Inputs about a store that answers reads later. */
const farInputs = new Set<ServerInput>(['loaded', 'loaded, stale', 'readFailed'])

/**
 * A server session in a state. The client's message 1 is acknowledged, its message 2 is handled, and the store has not
 * answered the commit of it; message 1 of the inbox is on its way, unless the state says that it has been acknowledged. A
 * connection has been displaced.
 */
export class ServerScene {
  readonly effects: string[] = []
  readonly core: ServerSession<Transport>
  readonly #inbox: string[] = []
  readonly #commits: Commit[] = []
  /** Connections that the session has not closed. */
  readonly #open = new Set<Transport>(['former', 'current', 'new', 'late'])
  #isBusy = false
  #isFar = false
  #isScheduled = false

  constructor(state: ServerSessionState, input: ServerInput, acknowledge: 'handled' | 'received' = 'handled') {
    this.core = this.#make(acknowledge)
    this.core.attached('former', { window: WINDOW }, this.#attachment(1, 0), 't')
    this.#frame('former', 'D1,0 a')
    this.core.committed(this.#commits.at(-1)!, true)
    this.#frame('former', 'D2,0 b')
    this.#append('x')
    this.#isBusy = busyInputs.has(input)
    if (this.#isBusy) this.#frame('former', 'D3,0 c', 'D4,0 d')
    this.#attach('current', 2)
    this.#reach(state)
    this.#isFar = farInputs.has(input)
    this.effects.length = 0
  }

  get state(): ServerSessionState {
    return this.core.state
  }

  /** Gives it an input, and the end of the turn if it wants one. */
  feed(input: ServerInput): void {
    const { core } = this
    const { received } = core
    const frame = (message: string) => () => this.#frame('current', message)
    const [former, latest] = [this.#commits.find(({ attach }) => attach === 1)!, this.#commits.at(-1)!]
    const refuse = () => {
      core.attaching()
      core.committed(latest, false)
    }
    const load = (answer: () => void) => () => {
      this.#append('y')
      this.effects.length = 0
      answer()
    }
    const slice: Slice = { first: 2, last: 2, at: () => 'y' }
    const inputs: Record<ServerInput, () => void> = {
      attached: () => this.#attach('new', 3),
      'attached, older': () => this.#attach('late', 1),
      'attached, gone': () => this.#attach(undefined, 3),
      'attached, impossible': () => this.#attach('new', 3, { generation: 'g', offset: 9 }),
      'attached, generation': () => this.#attach('new', 3, { generation: 'h', offset: 9 }),
      DATA: frame(`D${received + 1},1 e`),
      'DATA, duplicate': frame('D1,0 a'),
      'DATA, out of order': frame(`D${received + 2},1 e`),
      ACK: frame('A1'),
      'ACK, not sent': frame('A2'),
      BYE: frame(`E${received},0`),
      'BYE, out of order': frame(`E${received + 1},1`),
      GAP: frame('G {"from":1,"to":1,"reason":"overflow"}'),
      'DATA, displaced': () => this.#frame('former', `D${received + 1},1 e`),
      'BYE, displaced': () => this.#frame('former', `E${received},1`),
      detached: () => void core.detached('current'),
      'detached, displaced': () => void core.detached('former'),
      appended: () => this.#append('y'),
      handled: () => core.handled(NOW),
      failed: () => core.failed(NOW),
      resumeDelivery: () => core.resumeDelivery(NOW),
      committed: () => core.committed(latest, true),
      'committed, refused': () => core.committed(latest, false),
      'committed, older': () => core.committed(former, false),
      'refused, attaching': refuse,
      attachAnswered: () => {
        refuse()
        core.attachAnswered(false)
      },
      'attachAnswered, failed': () => {
        refuse()
        core.attachAnswered(true)
      },
      commitFailed: () => core.commitFailed(latest),
      loaded: load(() => core.loaded(1, slice)),
      'loaded, stale': load(() => core.loaded(0, slice)),
      readFailed: load(() => core.readFailed(1)),
      end: () => core.end(),
      writable: () => core.writable(),
      flush: () => core.flush(),
    }
    inputs[input]()
    this.#endTurn()
  }

  #make(acknowledge: 'handled' | 'received'): ServerSession<Transport> {
    const { effects } = this
    return new ServerSession<Transport>(
      {
        transmit: (transport, message) => {
          expect(this.#open, 'nothing is sent to a connection that is closed').toContain(transport)
          const text = String(message)
          effects.push(text[0] === 'W' ? 'W' : text)
        },
        expect: () => {},
        isWritable: () => true,
        closeTransport: (transport, code) => {
          this.#open.delete(transport)
          effects.push(`close ${transport === 'current' ? '' : `${transport} `}${code}`)
        },
        schedule: () => (this.#isScheduled = true),
        deliver: (_session, { number }) => {
          effects.push(`deliver ${number}`)
          return !this.#isBusy
        },
        retryAt: () => effects.push('retryAt'),
        commit: (_session, commit) => {
          this.#commits.push(commit)
          effects.push(`commit ${commit.accepted},${commit.acked}${commit.isConfirmed ? ' confirmed' : ''}`)
          return undefined
        },
        read: (_session, after) => {
          if (!this.#isFar) return { first: 1, last: this.#inbox.length, at: (offset) => this.#inbox[offset - 1]! }
          effects.push(`read ${after}`)
          return undefined
        },
        topicFrame: () => {},
        ended: () => effects.push('ended'),
        fenced: (_session, isElsewhere) => effects.push(isElsewhere ? 'fenced' : 'fenced?'),
      },
      { window: WINDOW, maxMessageBytes: 100, acknowledge, ttlMs: 1_000 },
      's',
      this.#attachment(1, 0),
    )
  }

  #reach(state: ServerSessionState): void {
    const { core } = this
    const frame = (message: string) => () => this.#frame('current', message)
    const committed = (isTaken: boolean) => () => core.committed(this.#commits.at(-1)!, isTaken)
    const end = () => core.end()
    const handled = () => core.handled(NOW)
    const bye = () => this.#frame('current', `E${core.received},0`)
    const reach: Record<ServerSessionState, (() => void)[]> = {
      unconfirmed: [],
      attached: [frame('A0')],
      detached: [frame('A0'), () => void core.detached('current')],
      ending: [frame('A0'), end],
      byeSent: [frame('A1'), end],
      leaving: [bye],
      fenced: [frame('A0'), committed(false)],
      ended: [bye, handled, handled, committed(true)],
    }
    for (const step of reach[state]) {
      step()
      this.#endTurn()
    }
  }

  #attachment(attach: number, accepted: number): Attachment {
    return { attach, accepted, generation: 'g', last: this.#inbox.length }
  }

  #attach(transport: Transport | undefined, attach: number, position = { generation: 'g', offset: 0 }): void {
    const hello: Hello = {
      resume: { session: 's', token: 't', position, sent: this.core.received },
      window: WINDOW,
    }
    this.core.attached(transport, hello, this.#attachment(attach, 1), 't')
    this.#endTurn()
  }

  #frame(transport: Transport, ...messages: string[]): void {
    try {
      for (const message of messages) this.core.frame(NOW, transport, decode(message))
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      // As in the shell.
      this.core.detached(transport)
      this.effects.push(`throws ${error.closeCode}`)
    }
    this.#endTurn()
  }

  #append(data: string): void {
    this.core.appended(this.#inbox.push(data), data.length)
    this.#endTurn()
  }

  #endTurn(): void {
    if (!this.#isScheduled) return
    this.#isScheduled = false
    this.core.flush()
  }
}
