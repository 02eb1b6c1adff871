/**
 * A place in a {@link TimingWheel}. What is to be scheduled extends it, so that scheduling allocates nothing.
 *
 * The members belong to the wheel.
 */
export class WheelEntry {
  /** Neighbours in the ring of a slot; `undefined` while not scheduled. */
  next: WheelEntry | undefined = undefined
  previous: WheelEntry | undefined = undefined
  /** Number of the tick at which it is due. */
  dueTick = 0
}

/** The slots of a wheel: with ticks of 12 ms, one turn of the wheel takes 12 s. */
const SLOTS = 1024

/**
 * Any number of deadlines behind one coarse tick: {@link schedule} and {@link cancel} take constant time and no
 * memory, however many entries there are.
 *
 * A deadline is rounded up to the next tick: an entry is never visited before it is due, and at most one tick after.
 * Deadlines beyond one turn of the wheel are allowed; their entries are looked at once per turn.
 */
export class TimingWheel<T extends WheelEntry> {
  /** How many entries are scheduled. */
  size = 0
  /** Length of a tick in milliseconds. */
  readonly tickMs: number
  readonly #slots: readonly WheelEntry[]
  /** What was met in the slot that is being visited but is due in a later turn of the wheel. */
  readonly #later = ring()
  /** The last tick that has been visited to the end. */
  #tick: number
  /** The last tick that {@link advance} has been called for. */
  #target: number

  /** @param now time that counts as reached */
  constructor(tickMs: number, now: number) {
    this.tickMs = tickMs
    this.#slots = Array.from({ length: SLOTS }, ring)
    this.#tick = this.#target = Math.floor(now / tickMs)
  }

  /** Schedules an entry, or moves it. A time that is already past means the next tick. */
  schedule(entry: T, at: number): void {
    this.cancel(entry)
    entry.dueTick = Math.max(Math.ceil(at / this.tickMs), this.#target + 1)
    append(this.#slots[entry.dueTick % SLOTS]!, entry)
    this.size++
  }

  /** Takes an entry out. Allowed at any time, also from a visit; without effect if it is not scheduled. */
  cancel(entry: T): void {
    if (!entry.next) return
    unlink(entry)
    this.size--
  }

  /**
   * Time of the first tick after the last one, and at most `maxTicks` after it, at which there may be something to
   * visit; of the last of these ticks if there is none.
   */
  nextTickAt(maxTicks: number): number {
    let tick = this.#tick + 1
    for (; tick < this.#tick + maxTicks; tick++) {
      const slot = this.#slots[tick % SLOTS]!
      if (slot.next !== slot) break
    }
    return tick * this.tickMs
  }

  /**
   * Takes all entries out that are due by now, and visits them in the order of their ticks. A visit may schedule and
   * cancel any entry; what it schedules comes in a later call at the earliest. If a visit throws, the next call
   * goes on with the rest.
   */
  advance(now: number, visit: (entry: T) => void): void {
    this.#target = Math.max(this.#target, Math.floor(now / this.tickMs))
    // After a gap of more than one turn it is enough to see every slot once.
    this.#tick = Math.max(this.#tick, this.#target - SLOTS)
    while (this.#tick < this.#target) {
      const slot = this.#slots[(this.#tick + 1) % SLOTS]!
      try {
        for (let entry = slot.next!; entry !== slot; entry = slot.next!) {
          if (entry.dueTick > this.#target) {
            unlink(entry)
            append(this.#later, entry)
          } else {
            this.cancel(entry as T)
            visit(entry as T)
          }
        }
        this.#tick++
      } finally {
        moveAll(this.#later, slot)
      }
    }
  }
}

/** An empty ring: an entry that is its own neighbour. */
function ring(): WheelEntry {
  const head = new WheelEntry()
  head.next = head.previous = head
  return head
}

function append(head: WheelEntry, entry: WheelEntry): void {
  entry.previous = head.previous
  entry.next = head
  head.previous!.next = entry
  head.previous = entry
}

function unlink(entry: WheelEntry): void {
  entry.previous!.next = entry.next
  entry.next!.previous = entry.previous
  entry.next = entry.previous = undefined
}

/** Moves a whole ring behind another one's last entry. */
function moveAll(from: WheelEntry, to: WheelEntry): void {
  if (from.next === from) return
  const first = from.next!
  const last = from.previous!
  first.previous = to.previous
  to.previous!.next = first
  last.next = to
  to.previous = last
  from.next = from.previous = from
}
