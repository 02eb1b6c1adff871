import { caseFactory, ConformanceError, type Scene } from './conformance-case.ts'
import { openRawClient, type Approach, type RawClient } from './raw-client.ts'
import { serverCommands, type ServerSubject } from './server-subject.ts'
import { Transcript } from './transcript.ts'

/** A server under test, and the clients that the runner plays. */
export class ServerScene implements Scene {
  readonly transcript = new Transcript()
  readonly #subject: ServerSubject
  readonly #clients: RawClient[] = []
  #opened = 0
  #operator: RawClient | undefined

  constructor(subject: ServerSubject) {
    this.#subject = subject
  }

  /** Opens a connection, and has said HELLO unless the approach is another. */
  async open(approach: Approach = {}): Promise<RawClient> {
    const client = await this.#open(approach)
    if (typeof client === 'number') throw new ConformanceError(`Expected a WebSocket, got the status ${client}.`)
    return client
  }

  /** Opens a connection that is let in. It confirms that, unless told otherwise. */
  async attach(approach: Approach & { readonly confirms?: boolean } = {}): Promise<RawClient> {
    const client = await this.open(approach)
    await client.expect('welcome')
    if (approach.confirms ?? true) client.acknowledge()
    return client
  }

  /** A new connection for the session of a client. */
  resume(client: RawClient, approach: Approach & { readonly confirms?: boolean } = {}): Promise<RawClient> {
    return this.attach({ resume: client.resume, ...approach })
  }

  /** The status with which an upgrade is refused. */
  async refusal(approach: Approach): Promise<number> {
    const client = await this.#open(approach)
    if (typeof client !== 'number') throw new ConformanceError('Expected that the upgrade is refused; it was not.')
    return client
  }

  /** Has the application of the server do something, and waits until it is done. By a client of its own if no other is named. */
  async command(commands: readonly string[], by?: RawClient): Promise<void> {
    const client = by ?? (this.#operator ??= await this.attach({ window: { messages: 5_000, bytes: 4_000_000 } }))
    for (let done = 0; done < commands.length; done += 100) {
      const some = commands.slice(done, done + 100)
      const count = client.heard.length + some.length
      client.say(...some)
      await client.hear(count)
      client.acknowledge()
    }
  }

  /** Publishes texts to a topic. */
  publish(topic: string, ...texts: string[]): Promise<void> {
    return this.command(texts.map((text) => `${serverCommands.publish} ${topic} ${text}`))
  }

  end(): void {
    for (const client of this.#clients) if (!client.closing) client.cut()
  }

  async #open(approach: Approach): Promise<RawClient | number> {
    const { url, auth } = this.#subject
    const authenticated = auth && approach.auth === undefined ? { ...approach, auth: auth.accepted } : approach
    const client = await openRawClient(url, authenticated, `client ${++this.#opened}`, this.transcript)
    if (typeof client !== 'number') this.#clients.push(client)
    return client
  }
}

export const serverCase = caseFactory((subject: ServerSubject) => Promise.resolve(new ServerScene(subject)))
