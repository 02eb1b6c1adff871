import { HeartlineError } from '../core/error.ts'

/** Gives the messages of one stream to whoever listens, and tells the core what became of them. */
export class Handover<I> {
  readonly #hand: (message: I) => Promise<unknown> | undefined
  readonly #hasListener: () => boolean
  readonly #handled: () => void
  readonly #failed: (error: HeartlineError) => void
  /** Is to be handed over as soon as somebody listens. */
  #waiting: I | undefined

  /**
   * @param hand gives the message to all who listen. Throws, or returns a promise that rejects, if one of them fails
   * @param handled all are done with it
   * @param failed one of them has failed: it is handed over again
   */
  constructor(
    hand: (message: I) => Promise<unknown> | undefined,
    hasListener: () => boolean,
    handled: () => void,
    failed: (error: HeartlineError) => void,
  ) {
    this.#hand = hand
    this.#hasListener = hasListener
    this.#handled = handled
    this.#failed = failed
  }

  /** @returns whether it has been handled */
  deliver(message: I): boolean {
    if (!this.#hasListener()) {
      this.#waiting = message
      return false
    }
    return this.settle(() => this.#hand(message))
  }

  /** Somebody listens. */
  listened(): void {
    if (!this.#waiting) return
    queueMicrotask(() => {
      const waiting = this.#waiting
      if (!waiting) return
      this.#waiting = undefined
      if (this.deliver(waiting)) this.#handled()
    })
  }

  /** Nothing that waits is wanted any more. @returns whether something did */
  forget(): boolean {
    const isWaiting = this.#waiting !== undefined
    this.#waiting = undefined
    return isWaiting
  }

  /** Calls something of the application, which is called again if it fails. @returns whether it is done */
  settle(call: () => Promise<unknown> | undefined, failure = 'A message was not handled.'): boolean {
    const fail = (cause: unknown): void => this.#failed(new HeartlineError('ERR_HANDLER', failure, { cause }))
    try {
      const pending = call()
      if (!pending) return true
      pending.then(this.#handled, fail)
    } catch (cause) {
      // Not from inside: the core waits for the answer.
      queueMicrotask(() => fail(cause))
    }
    return false
  }
}
