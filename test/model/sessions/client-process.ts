import { ClientSession } from '../../../src/core/client-session.ts'
import type { ClientTopicEffects } from '../../../src/core/client-subscription.ts'
import type { Outgoing } from '../../../src/core/session-outbox.ts'
import { noTopics } from '../no-topics.ts'
import type { IncomingGap, Incoming } from '../../../src/core/inflow.ts'
import { isRetryable, Retry } from '../../../src/core/retry.ts'
import { decodeHelloEntry } from '../../../src/protocol/decode.ts'
import type { Hello, Payload } from '../../../src/protocol/frame.ts'
import { Handler, type HandlerPlan } from './handler.ts'
import type { EventQueue } from './event-queue.ts'
import { Freezer } from './freezer.ts'
import { Wire, type NetworkState } from './wire.ts'

export interface SentMessage extends Outgoing {
  readonly name: string
  fate: 'accepted' | 'lost' | 'tooLarge' | undefined
}

/** What a client has got, in order. */
export type ClientEvent =
  | { readonly kind: 'message'; readonly session: string; readonly number: number; readonly data: Payload }
  | { readonly kind: 'gap'; readonly session: string; readonly gap: IncomingGap }

export interface ClientSettings {
  readonly window: { readonly messages: number; readonly bytes: number }
  readonly acknowledge: 'handled' | 'received'
  readonly handler: HandlerPlan
}

/** What a shell does for subscriptions; the wire is the process's own. */
export type ClientTopicEffectsOfShell = Omit<ClientTopicEffects<any>, 'transmit'>

/** A client in virtual time: the real machine, and a shell that decides nothing. */
export class ClientProcess {
  readonly sent: SentMessage[] = []
  readonly events: ClientEvent[] = []
  /** Names of the messages that were handed back. */
  readonly lost: string[] = []
  /** How connections ended. */
  readonly endings: number[] = []
  /** The HELLO of each attempt. */
  readonly hellos: Hello[] = []
  isSuperseded = false
  isDead = false
  readonly core: ClientSession<SentMessage, any>
  readonly #queue: EventQueue
  readonly #network: NetworkState
  readonly #connect: (wire: Wire) => void
  #wire: Wire | undefined
  readonly #freezer: Freezer
  readonly #auth: unknown

  constructor(
    queue: EventQueue,
    network: NetworkState,
    settings: ClientSettings,
    random: () => number,
    connect: (wire: Wire) => void,
    { auth, topics = noTopics }: { readonly auth?: unknown; readonly topics?: ClientTopicEffectsOfShell } = {},
  ) {
    this.#queue = queue
    this.#auth = auth
    this.#freezer = new Freezer(queue)
    this.#network = network
    this.#connect = connect
    const handler = new Handler(queue, settings.handler, {
      done: (isHandled) => {
        this.#when(() => {
          if (isHandled) this.core.handled(queue.now)
          else this.core.failed(queue.now)
        })
      },
    })
    this.core = new ClientSession<SentMessage, any>(
      {
        connect: () => this.#attach(),
        transmit: (message) => this.#wire?.send('server', message),
        closeTransport: () => this.#closeWire(),
        ended: ({ code }) => {
          this.endings.push(code)
          this.#wire?.close('client', code)
          this.#wire = undefined
          if (code === 4902) this.isSuperseded = true
        },
        schedule: () => queue.after(0, () => this.#when(() => this.core.flush(queue.now))),
        deliver: (message) => handler.deliver(() => this.#handled(message)),
        gap: (gap) => this.events.push({ kind: 'gap', session: gap.session, gap }),
        resumed: () => {},
        settled: (message, fate) => {
          if (message.fate) throw new Error(`${message.name} is settled twice`)
          message.fate = fate
        },
        lost: (messages) => {
          for (const { name } of messages) this.lost.push(name)
        },
        latency: () => {},
        changed: () => {},
        random,
        ...topics,
      },
      {
        window: settings.window,
        acknowledge: settings.acknowledge,
        maxMessageBytes: 100_000,
        maxMessages: 10_000,
        maxBytes: 10_000_000,
        waitsForRoom: true,
        timing: {
          connectTimeoutMs: 10_000,
          closeTimeoutMs: 5_000,
          heartbeat: { intervalMs: 11_000, timeoutMs: 4_000, listenOnly: false, whenSilent: true },
        },
      },
      new Retry(
        { minDelayMs: 1_000, maxDelayMs: 5_000, maxAttempts: Infinity, stableAfterMs: 5_000 },
        { random, isOffline: () => false, shouldReconnect: isRetryable },
      ),
    )
    this.core.connection.connect(queue.now)
  }

  /** When the machine wants to be woken. */
  get deadline(): number {
    return this.isDead ? Infinity : Math.max(this.core.deadline, this.#freezer.until)
  }

  tick(): void {
    this.core.tick(this.#queue.now, 0, 0)
  }

  send(name: string, data: Payload): void {
    if (this.isDead || this.core.state === 'closed' || this.core.state === 'closing') return
    const message: SentMessage = { name, data, wasSent: false, fate: undefined }
    this.sent.push(message)
    this.core.send(message)
    if (this.core.isEager) this.core.flush(this.#queue.now)
  }

  close(): void {
    if (!this.isDead) this.core.close(this.#queue.now)
  }

  wake(): void {
    if (!this.isDead) this.core.wake(this.#queue.now)
  }

  /** Nothing runs until then; what arrives waits, and timers are late. */
  freeze(ms: number): void {
    this.#freezer.freeze(ms)
  }

  /** Something of the process happens now, or when it is no longer frozen. */
  run(act: () => void): void {
    this.#when(act)
  }

  /** The network ends its connection. */
  cut(): void {
    this.#wire?.cut()
  }

  /** Loses all that is under way to a side, and all that will be sent. */
  lose(to: 'client' | 'server'): void {
    this.#wire?.lose(to)
  }

  /** The process dies; its sockets close with it, if the network lets that through. */
  crash(): void {
    this.isDead = true
    this.#wire?.close('client', 1006)
  }

  #attach(): void {
    // As in the shell: providers answer later.
    this.#queue.after(0, () => {
      const { connection } = this.core
      if (this.isDead || connection.readyState !== 0) return
      const { protocols, first } = this.core.hello(this.#auth)
      const hello = protocols[1] === undefined ? undefined : decodeHelloEntry(protocols[1])
      if (!hello || first !== undefined) throw new Error('The HELLO does not fit.')
      this.hellos.push(hello)
      const wire = new Wire(this.#queue, this.#network, hello)
      this.#wire = wire
      const isCurrent = () => this.#wire === wire && !this.isDead
      wire.client = {
        received: (message) => this.#when(() => isCurrent() && this.core.received(this.#queue.now, message)),
        closed: (code) =>
          this.#when(() => {
            if (!isCurrent()) return
            this.#wire = undefined
            connection.ended(this.#queue.now, code, '', code !== 1006)
          }),
      }
      this.#connect(wire)
    })
  }

  #closeWire(): void {
    const wire = this.#wire
    wire?.deliver('server', (end) => {
      wire.server = undefined
      end.closed(1000)
      // The closing handshake is answered.
      wire.deliver('client', (end) => end.closed(1000))
    })
  }

  #handled({ data, number, session }: Incoming): void {
    this.events.push({ kind: 'message', session, number, data })
  }

  #when(run: () => void): void {
    this.#freezer.when(() => {
      if (!this.isDead) run()
    })
  }
}
