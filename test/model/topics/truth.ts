import type { Payload, Position } from '../../../src/protocol/frame.ts'
import { nameOf } from '../sessions/simulation.ts'

interface Published {
  readonly name: string
  /** The session that does not get it. */
  readonly except: string | undefined
}

interface Volatile {
  readonly topic: string
  readonly except: string | undefined
  /** Where the topic was when it was published; `undefined` if its process could not know that. */
  readonly at: Position | undefined
}

/** What was published, whatever is kept of it. */
export class Truth {
  readonly volatile = new Map<string, Volatile>()
  /** Messages of a topic's generation by offset. */
  readonly #logs = new Map<string, Published[]>()

  published(topic: string, { generation, offset }: Position, data: Payload, except: string | undefined): void {
    const log = this.log(topic, generation)
    if (log[offset]) throw new Error(`${topic}: the offset ${offset} is used twice`)
    log[offset] = { name: nameOf(data), except }
  }

  log(topic: string, generation: string): Published[] {
    const key = `${topic} ${generation}`
    let log = this.#logs.get(key)
    if (!log) this.#logs.set(key, (log = []))
    return log
  }
}
