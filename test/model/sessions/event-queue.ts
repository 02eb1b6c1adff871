interface Item {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time: what is to happen when, in the order of its times, and in the order of its planning at the same time. */
export class EventQueue {
  now = 0
  readonly #heap: Item[] = []
  #order = 0

  after(ms: number, run: () => void): void {
    const heap = this.#heap
    const item = { at: this.now + ms, order: this.#order++, run }
    let index = heap.push(item) - 1
    while (index) {
      const parent = (index - 1) >> 1
      if (!isBefore(item, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = item
  }

  /** When the next thing happens. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity
  }

  /** Lets the next thing happen. */
  runNext(): void {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length) {
      let index = 0
      for (;;) {
        let child = 2 * index + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
        if (!isBefore(heap[child]!, last)) break
        heap[index] = heap[child]!
        index = child
      }
      heap[index] = last
    }
    this.now = Math.max(this.now, first.at)
    first.run()
  }
}

const isBefore = (one: Item, other: Item): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)
