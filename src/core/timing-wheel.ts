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

/** The slots of a wheel: with ticks of 50 ms, one turn of the wheel takes 25 s. */
const SLOTS = 512

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
  /** What is being visited. If a visit throws, the rest waits here for the next {@link advance}. */
  readonly #due = ring()
  /** The last tick that {@link advance} has reached. */
  #tick: number

  /** @param now time that counts as reached */
  constructor(tickMs: number, now: number) {
    this.tickMs = tickMs
    this.#slots = Array.from({ length: SLOTS }, ring)
    this.#tick = Math.floor(now / tickMs)
  }

  /** Schedules an entry, or moves it. A time that is already past means the next tick. */
  schedule(entry: T, at: number): void {
    this.cancel(entry)
    entry.dueTick = Math.max(Math.ceil(at / this.tickMs), this.#tick + 1)
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
   * Takes all entries out that are due by now, and visits them in the order of their ticks. A visit may schedule and
   * cancel any entry; what it schedules comes in a later call at the earliest.
   */
  advance(now: number, visit: (entry: T) => void): void {
    const target = Math.floor(now / this.tickMs)
    // After a gap of more than one turn it is enough to see every slot once.
    for (let tick = Math.max(this.#tick, target - SLOTS) + 1; tick <= target; tick++) {
      const slot = this.#slots[tick % SLOTS]!
      for (let entry = slot.next!; entry !== slot;) {
        const next = entry.next!
        if (entry.dueTick <= target) {
          unlink(entry)
          append(this.#due, entry)
        }
        entry = next
      }
    }
    this.#tick = Math.max(this.#tick, target)
    for (let entry = this.#due.next!; entry !== this.#due; entry = this.#due.next!) {
      this.cancel(entry as T)
      visit(entry as T)
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
