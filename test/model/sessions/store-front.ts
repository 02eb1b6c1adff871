import type { Slice } from '../../../src/core/outflow.ts'
import type { Attachment, Commit } from '../../../src/core/server-session.ts'
import type { Payload } from '../../../src/protocol/frame.ts'
import type { Appended, AttachRequest, NewSession, Refusal, Store } from '../../../src/stores/store.ts'
import type { EventQueue } from './event-queue.ts'

/** How the way to the store is: as if it were in the process, or with delays and losses. */
export interface StoreTrouble {
  /** Answers at once. */
  isNear: boolean
  delayMs: number
  /** The next calls of the given kind: done and not answered, or not done. Taken from the front. */
  readonly losses: ('request' | 'reply')[]
}

/** A store behind a network: what it does and what is heard of it are two things. */
export class StoreFront {
  readonly #queue: EventQueue
  readonly #store: Store
  readonly #trouble: StoreTrouble

  constructor(queue: EventQueue, store: Store, trouble: StoreTrouble) {
    this.#queue = queue
    this.#store = store
    this.#trouble = trouble
  }

  create(session: NewSession, reply: (answer: Attachment | undefined) => void): void {
    this.#call(() => this.#store.create(session) as Attachment | undefined, reply, true)
  }

  attach(request: AttachRequest, reply: (answer: Attachment | Refusal | undefined) => void): void {
    this.#call(() => this.#store.attach(request) as Attachment | Refusal, reply, true)
  }

  /** `undefined` is an error: nobody knows what has happened. */
  commit(session: string, commit: Commit, reply: (isTaken: boolean | undefined) => void): boolean | undefined {
    return this.#call(() => this.#store.commit(session, commit) as boolean, reply, false)
  }

  append(session: string, data: Payload, reply: (answer: Appended | undefined) => void): void {
    // An append whose reply is lost leaves the application in doubt; that is for the tests of stores.
    this.#call(() => this.#store.append(session, data) as Appended | undefined, reply, true, false)
  }

  read(session: string, after: number, reply: (slice: Slice | undefined) => void): Slice | undefined {
    return this.#call(
      () => {
        const log = this.#store.read(session, after) as Slice | undefined
        if (!log || this.#trouble.isNear) return log
        // Over a network it is a copy.
        const first = Math.max(after + 1, log.first)
        const payloads: Payload[] = []
        for (let offset = first; offset <= Math.min(log.last, first + 20); offset++) payloads.push(log.at(offset))
        return { first, last: first + payloads.length - 1, at: (offset: number) => payloads[offset - first]! }
      },
      reply,
      false,
    )
  }

  end(session: string, attach: number): void {
    void this.#store.end(session, attach)
  }

  /** @returns the answer, if the store is near and the caller takes it so */
  #call<T>(
    run: () => T | undefined,
    reply: (answer: T | undefined) => void,
    alwaysReplies: boolean,
    mayLose = true,
  ): T | undefined {
    const { isNear, delayMs, losses } = this.#trouble
    if (isNear) {
      const answer = run()
      if (!alwaysReplies) return answer
      reply(answer)
      return
    }
    const loss = mayLose ? losses.shift() : undefined
    this.#queue.after(delayMs, () => {
      const answer = loss === 'request' ? undefined : run()
      // A reply that is lost becomes an error after a while.
      this.#queue.after(loss ? 5_000 : delayMs, () => reply(loss ? undefined : answer))
    })
    return
  }
}
