import { encodeSub } from '../../protocol/encode.ts'
import type { From, Subbed, Unsub } from '../../protocol/frame.ts'
import { ConformanceError } from './conformance-case.ts'
import type { RawClient } from './raw-client.ts'
import { expectThat, pause } from './raw-connection.ts'
import { shown } from './transcript.ts'

/** What a client that the runner plays does with topics, and what it has had of them on its connection. */
export class RawTopics {
  readonly #client: RawClient

  constructor(client: RawClient) {
    this.#client = client
  }

  /** Asks for a topic. */
  ask(ref: number, topic: string, from: From = 'now'): void {
    this.#client.send(encodeSub({ ref, topic, from }))
  }

  /** Asks for a topic, and gets it. */
  async subscribe(ref: number, topic: string, from: From = 'now'): Promise<Subbed> {
    this.ask(ref, topic, from)
    return this.subbed(ref, topic)
  }

  /** The server says where a subscription begins. */
  async subbed(ref: number, topic: string): Promise<Subbed> {
    const { body } = await this.#client.expect('subbed')
    expectThat(body.ref === ref && body.topic === topic, `SUBBED for ${ref}, ${topic}, not ${body.ref}, ${body.topic}`)
    return body
  }

  /** The server refuses or ends a subscription. */
  async ended(ref: number, topic: string, reason: string): Promise<Unsub> {
    const { body } = await this.#client.expect('unsub')
    const isIt = body.ref === ref && body.topic === topic && body.reason === reason
    expectThat(isIt, `UNSUB for ${ref}, ${topic}, ${reason}, not ${JSON.stringify(body)}`)
    return body
  }

  /** Messages and bytes that the connection has carried. */
  get carried(): { messages: number; bytes: number } {
    const carried = { messages: 0, bytes: 0 }
    for (const frame of this.#client.frames)
      if (frame.type === 'tdata' || frame.type === 'volatile')
        for (const { length } of frame.payloads) {
          carried.messages++
          carried.bytes += length
        }
      else if (frame.type === 'skip' || (frame.type === 'gap' && frame.body.topic !== undefined)) carried.messages++
    return carried
  }

  /** Says that it is done with all that has come. */
  acknowledge(): void {
    const { messages, bytes } = this.carried
    this.#client.send(`A${this.#client.received},${messages},${bytes}`)
  }

  /** The largest payload of a frame with several messages. */
  get largestBatch(): number {
    const sizes = this.#client.frames.map((frame) =>
      frame.type === 'tdata' && frame.payloads.length > 1
        ? frame.payloads.reduce((sum, { length }) => sum + length, 0)
        : 0,
    )
    return Math.max(0, ...sizes)
  }

  /** All that has come of a topic: `1 text`, `1-2 skip`, `1-2 overflow`, `v text`. */
  seen(id: number): string[] {
    const seen: string[] = []
    let skippedFrom = 0
    let skippedTo = -1
    for (const frame of this.#client.frames) {
      if (frame.type === 'tdata' && frame.topic === id)
        frame.payloads.forEach((payload, index) => seen.push(`${frame.first + index} ${shown(payload)}`))
      else if (frame.type === 'volatile' && frame.topic === id)
        seen.push(...frame.payloads.map((one) => `v ${shown(one)}`))
      else if (frame.type === 'gap' && frame.body.topic === id)
        seen.push(`${frame.body.from}-${frame.body.to} ${frame.body.reason}`)
      else if (frame.type === 'skip' && frame.topic === id) {
        // One SKIP or several for messages in a row are the same.
        if (skippedTo + 1 === frame.first && seen.at(-1) === `${skippedFrom}-${skippedTo} skip`) seen.pop()
        else skippedFrom = frame.first
        skippedTo = frame.last
        seen.push(`${skippedFrom}-${skippedTo} skip`)
      }
    }
    return seen
  }

  /** Waits until so much has come of a topic, and expects that it was exactly this. */
  async sees(id: number, ...expected: string[]): Promise<void> {
    const wanted = `${expected.join(' | ') || 'nothing'} of topic ${id}`
    await this.#client.until(wanted, () => {
      const seen = this.seen(id)
      if (seen.join('|') === expected.join('|')) return true
      const isWrong = seen.length > expected.length || this.#client.closing
      if (isWrong) throw new ConformanceError(`Expected ${wanted}, got ${seen.join(' | ')}.`)
      return
    })
  }

  /** The same, and expects that for some time nothing more comes. */
  async seesOnly(id: number, ...expected: string[]): Promise<void> {
    await this.sees(id, ...expected)
    await pause(250)
    await this.sees(id, ...expected)
  }
}
