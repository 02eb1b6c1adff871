import { CloseCode } from '../protocol/close-codes.ts'
import { Violation } from '../protocol/violation.ts'

/** Most names that a server may use on one connection, those that nobody needs any more not counted. */
const MAX_NAMES = 65_536

/**
 * What the server calls the topics of a connection. A name stays known after its subscription has ended, since messages may be
 * on their way, until the server has certainly heard of that: when it answers a SUB that was sent later.
 */
export class TopicNames<S> {
  /** `undefined`: nobody wants what comes. */
  readonly #byId = new Map<number, S | undefined>()
  /** Which SUB has to be answered before a name of nobody can be forgotten; the refs rise. */
  readonly #unused = new Map<number, number>()

  /** @throws Violation `tooLarge` if there are too many */
  set(id: number, subscription: S): void {
    this.#check(id)
    this.#unused.delete(id)
    this.#byId.set(id, subscription)
  }

  /** @returns whose it is; `undefined` if nobody wants it any more. @throws Violation `protocolError` if it is unknown */
  get(id: number): S | undefined {
    if (!this.#byId.has(id)) throw new Violation(CloseCode.protocolError, 'unknown topic')
    return this.#byId.get(id)
  }

  /** Nobody wants what comes under this name. @param nextRef that of the next SUB */
  unuse(id: number, nextRef: number): void {
    this.#check(id)
    if (this.#byId.has(id) && !this.#byId.get(id)) return
    this.#byId.set(id, undefined)
    this.#unused.set(id, nextRef)
  }

  /** A subscription has ended, or is paused. @param nextRef that of the next SUB */
  forget(subscription: S, nextRef: number): void {
    for (const [id, other] of this.#byId) if (other === subscription) this.unuse(id, nextRef)
  }

  /** The server has ended a subscription: nothing of it follows. */
  drop(subscription: S): void {
    for (const [id, other] of this.#byId) if (other === subscription) this.#byId.delete(id)
  }

  /** The server has answered a SUB, so it has heard all that was said before. */
  answered(ref: number): void {
    for (const [id, needed] of this.#unused) {
      if (needed > ref) return
      this.#unused.delete(id)
      this.#byId.delete(id)
    }
  }

  clear(): void {
    this.#byId.clear()
    this.#unused.clear()
  }

  #check(id: number): void {
    if (this.#byId.size >= MAX_NAMES && !this.#byId.has(id)) throw new Violation(CloseCode.tooLarge, 'too many topics')
  }
}
