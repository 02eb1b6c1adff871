/**
 * An append-only log that is trimmed from its head. Offsets begin at 1, rise by 1, and are never used again.
 */
export class MessageLog<T> {
  /** Offset of the last item, kept or not; 0 before the first one. */
  last = 0
  /** Bytes of all items that are kept, as the caller counts them. */
  bytes = 0
  #items: T[] = []
  /** How many items at the front of the array are gone. They are cut off now and then, not one by one. */
  #gone = 0
  readonly #sizeOf: (item: T) => number

  constructor(sizeOf: (item: T) => number) {
    this.#sizeOf = sizeOf
  }

  /** How many items are kept. */
  get size(): number {
    return this.#items.length - this.#gone
  }

  /** Offset of the oldest item that is kept; one more than {@link last} if there is none. */
  get first(): number {
    return this.last - this.size + 1
  }

  /** @returns the item's offset */
  append(item: T): number {
    this.#items.push(item)
    this.bytes += this.#sizeOf(item)
    return ++this.last
  }

  /** The item at an offset from {@link first} to {@link last}. */
  at(offset: number): T {
    return this.#items[offset - this.first + this.#gone]!
  }

  /** The items after an offset, as many as there are. */
  *after(offset: number): Generator<T> {
    for (let next = Math.max(offset + 1, this.first); next <= this.last; next++) yield this.at(next)
  }

  /** Lets go of all items up to an offset. @returns how many */
  trimTo(offset: number): number {
    const items = this.#items
    const count = Math.max(0, Math.min(offset - this.first + 1, this.size))
    for (let index = 0; index < count; index++) {
      this.bytes -= this.#sizeOf(items[this.#gone]!)
      // Nothing keeps the item alive until the array is cut.
      items[this.#gone++] = undefined!
    }
    if (this.#gone > items.length / 2) {
      items.splice(0, this.#gone)
      this.#gone = 0
    }
    return count
  }
}
