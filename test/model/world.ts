/** Time that a period in which the host's process does not run takes from it. */
export interface Pause {
  /** From the end of the pause before, or from the start. */
  readonly afterMs: number
  readonly forMs: number
  /** `blocked`: frames go on arriving and wait. `asleep`: they come in only after the host is awake, sent once more. */
  readonly kind: 'blocked' | 'asleep'
}

interface Item {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time, and one host in it whose process may be late for everything. */
export class World {
  now = 0
  #items: Item[] = []
  #order = 0
  #timer: Item | undefined
  readonly #pauses: { from: number; to: number; kind: Pause['kind'] }[] = []
  /** Every timer of the host comes this much late, as in a throttled tab; frames are on time. */
  timerLatenessMs = 0

  constructor(pauses: readonly Pause[] = []) {
    let at = 0
    for (const { afterMs, forMs, kind } of pauses) {
      const from = at + afterMs
      at = from + forMs
      this.#pauses.push({ from, to: at, kind })
    }
  }

  get lastPauseEndsAt(): number {
    return this.#pauses.at(-1)?.to ?? 0
  }

  /** Something happens outside the host. */
  at(time: number, run: () => void): Item {
    return this.#add(time, 1, run)
  }

  /** A frame or a signal reaches the host: at once, or when its process runs again, after the timers that are due. */
  deliver(time: number, retransmitMs: number, run: () => void): Item {
    const pause = this.#pauseAt(time)
    if (!pause) return this.#add(time, 1, run)
    return this.#add(pause.to + (pause.kind === 'asleep' ? retransmitMs : 0), 1, run)
  }

  /** Sets the host's only timer, in place of the one before. */
  setTimer(deadline: number, run: () => void): void {
    if (this.#timer) this.#items = this.#items.filter((item) => item !== this.#timer)
    this.#timer = undefined
    if (deadline === Infinity) return
    const due = Math.max(this.now, deadline) + this.timerLatenessMs
    this.#timer = this.#add(this.#pauseAt(due)?.to ?? due, 0, () => {
      this.#timer = undefined
      run()
    })
  }

  get hasTimer(): boolean {
    return this.#timer !== undefined
  }

  cancel(item: Item): void {
    this.#items = this.#items.filter((other) => other !== item)
  }

  /** Lets everything happen that is due by then. */
  run(until: number): void {
    for (;;) {
      let next: Item | undefined
      for (const item of this.#items) {
        if (!next || item.at < next.at || (item.at === next.at && item.order < next.order)) next = item
      }
      if (!next || next.at > until) break
      this.cancel(next)
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    this.now = Math.max(this.now, until)
  }

  #pauseAt(time: number) {
    return this.#pauses.find(({ from, to }) => time >= from && time < to)
  }

  #add(at: number, rank: number, run: () => void): Item {
    const item = { at, order: rank * 1e9 + this.#order++, run }
    this.#items.push(item)
    return item
  }
}
