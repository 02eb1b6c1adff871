import type { From, Hello, Payload, Resume, Sub, Subbed, Welcome } from '../../protocol/frame.ts'
import { encodeSubbed } from '../../protocol/encode.ts'
import type { ClientSubject, ClientUnderTest } from './client-subject.ts'
import { caseFactory, ConformanceError, type Scene } from './conformance-case.ts'
import { expectThat, pause, SOON_MS } from './raw-connection.ts'
import { RawServer, type RawPeer } from './raw-server.ts'
import { shown, Transcript } from './transcript.ts'

/** What the server says if a case wants nothing else. */
const usual: Welcome = {
  session: 'session-1',
  token: 'token-1',
  generation: 'generation-1',
  resumed: false,
  received: 0,
  accepted: 0,
  last: 0,
  window: { messages: 1_000, bytes: 1_000_000 },
  maxMessageBytes: 100_000,
  ttlMs: 60_000,
}

interface Gap {
  readonly from: number
  readonly to: number | undefined
  readonly reason: string
}

/** What an application does with what it is told, and what that was. */
export class Told {
  /** In order: what begins with a letter and a colon is no message. */
  readonly told: string[] = []
  /** The application does not get done with the messages that it is given. */
  holds = false
  /** How many messages the application does not handle from now on. */
  failures = 0
  unsubscribe: () => unknown = () => {}
  #release: (() => void)[] = []

  async message(data: Payload): Promise<void> {
    this.told.push(shown(data))
    if (this.failures-- > 0) throw new Error('The case wants that this message is not handled.')
    if (this.holds) await new Promise<void>((resolve) => this.#release.push(resolve))
  }

  /** The application gets done with all that it has, and with all that comes. */
  release(): void {
    this.holds = false
    for (const release of this.#release.splice(0)) release()
  }
}

/** A client under test, and the server that the runner plays. */
export class ClientScene implements Scene {
  readonly transcript = new Transcript()
  readonly server = new RawServer(this.transcript)
  client!: ClientUnderTest
  /** What the client's application was told, in order. */
  readonly told: (Payload | Gap)[] = []
  readonly lost: Payload[] = []
  /** The application does not get done with the messages that it is given. */
  holds = false
  /** How many messages the application does not handle from now on. */
  failures = 0
  /** What the server has said last. */
  welcome: Welcome = usual
  /** What the application was told of topics that the server has subscribed it to. */
  readonly ofServer = new Told()
  readonly #subscriptions: Told[] = [this.ofServer]
  #release: (() => void)[] = []
  #tokens = 1

  async start(subject: ClientSubject): Promise<this> {
    const url = await this.server.listening()
    this.client = await subject.start(url, {
      message: async (data, topic) => {
        if (topic !== undefined) return this.ofServer.message(`${topic} ${shown(data)}`)
        this.transcript.add('client', `is told ${shown(data)}`)
        this.told.push(data)
        if (this.failures-- > 0) throw new Error('The case wants that this message is not handled.')
        if (this.holds) await new Promise<void>((resolve) => this.#release.push(resolve))
      },
      gap: (gap) => {
        this.transcript.add('client', `is told of a gap ${JSON.stringify(gap)}`)
        this.told.push(gap)
      },
      lost: (data) => {
        this.transcript.add('client', `gets back ${shown(data)}`)
        this.lost.push(data)
      },
    })
    return this
  }

  /** The application gets done with all that it has, and with all that comes. */
  release(): void {
    this.holds = false
    for (const release of this.#release.splice(0)) release()
  }

  /** Makes the client subscribe. */
  subscribe(topic: string, from: From = 'now'): Told {
    const told = new Told()
    this.#subscriptions.push(told)
    this.transcript.add('client', `subscribes to ${topic}`)
    const { client } = this
    if (!client.subscribe) throw new ConformanceError('The client has no `subscribe()`.')
    told.unsubscribe = client.subscribe(topic, from, {
      message: (data) => {
        this.transcript.add('client', `is told ${shown(data)} of ${topic}`)
        return told.message(data)
      },
      gap: ({ from, to, reason }) => void told.told.push(`gap: ${from}-${to ?? '?'} ${reason}`),
      ended: (reason) => void told.told.push(`ended: ${reason}`),
    })
    return told
  }

  /** Makes the client subscribe, and lets it. @returns what it has asked for */
  async subscribed(
    peer: RawPeer,
    topic: string,
    answer: Partial<Subbed> = {},
    from: From = 'now',
  ): Promise<{ readonly told: Told; readonly sub: Sub }> {
    const told = this.subscribe(topic, from)
    const { body: sub } = await peer.expect('sub')
    expectThat(sub.topic === topic, `SUB for ${topic}, not ${sub.topic}`)
    this.answer(peer, sub, answer)
    return { told, sub }
  }

  /** Answers SUB, with the position that it names if it has one. */
  answer(peer: RawPeer, { ref, topic, from }: Sub, answer: Partial<Subbed> = {}): void {
    const position = typeof from === 'object' && 'offset' in from ? from : { generation: 'x', offset: 0 }
    const body = { ref, topic, id: ref, last: answer.offset ?? position.offset, ...position, ...answer }
    peer.send(encodeSubbed(body))
  }

  /** Waits until the application was told so much of a topic, and expects that it was exactly this. */
  async hasHeard({ told }: Told, ...expected: string[]): Promise<void> {
    const wanted = `that the application is told ${expected.join(' | ')}`
    await this.eventually(wanted, () => told.length >= expected.length)
    expectThat(told.join('|') === expected.join('|'), `${wanted}, not ${told.join(' | ')}`)
  }

  /** Makes the client send messages. @returns how many of them were acknowledged */
  send(...payloads: Payload[]): { acknowledged: number } {
    const count = { acknowledged: 0 }
    for (const payload of payloads) {
      this.transcript.add('client', `sends ${shown(payload)}`)
      const sent = this.client.send(payload)
      sent.then(
        () => count.acknowledged++,
        () => {},
      )
    }
    return count
  }

  /** Lets the next connection in, to a session that it has not had. */
  async attach(welcome: Partial<Welcome> = {}): Promise<RawPeer> {
    const peer = await this.server.next()
    await peer.hello()
    this.#welcome(peer, { ...usual, ...welcome })
    await this.#confirmed(peer)
    return peer
  }

  /** Waits for the next connection, which resumes. It is not yet let in. */
  async comeback(withinMs?: number): Promise<{ peer: RawPeer; hello: Hello; resume: Resume }> {
    const peer = await this.server.next(withinMs)
    const hello = await peer.hello()
    const { resume } = hello
    if (!resume) throw new ConformanceError('Expected a HELLO that resumes.')
    return { peer, hello, resume }
  }

  /** Lets the next connection in, to the session that it has had. */
  async resume(welcome: Partial<Welcome> = {}, withinMs?: number): Promise<RawPeer> {
    const { peer, resume } = await this.comeback(withinMs)
    this.let(peer, resume, welcome)
    await this.#confirmed(peer)
    return peer
  }

  /** Lets a connection in that resumes, as if all had arrived that either side has sent. */
  let(peer: RawPeer, { sent, position }: Resume, welcome: Partial<Welcome> = {}): void {
    const arrived = { received: sent, accepted: sent, last: position.offset }
    peer.sent = position.offset
    const token = `token-${++this.#tokens}`
    this.#welcome(peer, { ...this.welcome, reason: undefined!, ...arrived, resumed: true, token, ...welcome })
  }

  async eventually(what: string, holds: () => boolean, withinMs = SOON_MS): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!holds()) {
      if (performance.now() > deadline) throw new ConformanceError(`Expected ${what} within ${withinMs} ms.`)
      await pause(5)
    }
  }

  /** Waits until the application was told so much, and expects that it was exactly this. */
  async hasTold(...expected: (Payload | Gap)[]): Promise<void> {
    const list = (told: readonly (Payload | Gap)[]): string =>
      told
        .map((one) => (typeof one === 'string' || one instanceof Uint8Array ? shown(one) : JSON.stringify(one)))
        .join(' | ')
    await this.eventually(`that the application is told ${list(expected)}`, () => this.told.length >= expected.length)
    expectThat(
      list(this.told) === list(expected),
      `that the application is told ${list(expected)}, not ${list(this.told)}`,
    )
  }

  async end(): Promise<void> {
    this.release()
    for (const told of this.#subscriptions) told.release()
    this.server.end()
    await Promise.race([Promise.resolve(this.client?.close()), pause(1_000)])
  }

  #welcome(peer: RawPeer, welcome: Welcome): void {
    this.welcome = welcome
    peer.welcome(welcome)
  }

  /** The first frame behind WELCOME. */
  async #confirmed(peer: RawPeer): Promise<void> {
    await peer.until(
      'ACK or DATA at once',
      () => peer.frames.find(({ type }) => type === 'ack' || type === 'data'),
      1_000,
    )
  }
}

export const clientCase = caseFactory((subject: ClientSubject) => new ClientScene().start(subject))
