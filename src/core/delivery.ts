/** Something on its way to the application. */
export interface Deliverable {
  /** How often the application has failed to handle it. */
  failures: number
}

/** First and longest time before something that was not handled is handed over again. */
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 30_000

/**
 * Hands over one thing after the other. What the application fails to handle is handed over again, later and later; all
 * behind it waits, since order is kept and nothing is skipped.
 */
export abstract class Delivery<I extends Deliverable> {
  /** What waits, the one that is being handled included. */
  protected readonly queue: I[] = []
  /** When something is to be handed over again. */
  retryAt: number = Infinity
  #isHandling = false
  #isDelivering = false

  /**
   * Gives it to the application.
   *
   * @returns whether it has been handled; otherwise {@link handled} or {@link failed} follows
   */
  protected abstract hand(item: I): boolean

  /** It has been handled, and is out of the queue. */
  protected abstract done(item: I): void

  /** Whether the application has something that it is not done with. */
  protected get isHandling(): boolean {
    return this.#isHandling
  }

  /** Hands over what can be handed over. */
  deliver(now: number): void {
    if (this.#isDelivering) return
    this.#isDelivering = true
    try {
      while (!this.#isHandling && this.queue.length && (this.retryAt === Infinity || now >= this.retryAt)) {
        this.retryAt = Infinity
        this.#isHandling = true
        if (this.hand(this.queue[0]!)) this.handled()
      }
    } finally {
      this.#isDelivering = false
    }
  }

  /** The application is done with what it has. Call {@link deliver} then. */
  handled(): void {
    if (!this.#isHandling) return
    this.#isHandling = false
    this.done(this.queue.shift()!)
  }

  /** The application has not begun with what it has, and shall not. */
  takeBack(): void {
    this.#isHandling = false
  }

  /** The application could not handle what it has. */
  failed(now: number): void {
    if (!this.#isHandling) return
    this.#isHandling = false
    this.retryAt = now + Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.queue[0]!.failures++)
  }
}
