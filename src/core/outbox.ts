interface Entry<T> {
  readonly data: T
  readonly bytes: number
  /** It went into a transport that is gone, and is to be sent once more. */
  wasSent: boolean
}

/** Probes without a reply that are told apart; a server that never replies must not make the list grow. */
const MAX_PROBES = 1_000

export interface OutboxLimits {
  readonly maxMessages: number
  readonly maxBytes: number
}

/**
 * What the application has sent and nothing proves to have arrived, in order: first what went into the current
 * transport (*in doubt* if it dies now), then what is held because there is none.
 */
export class Outbox<T> {
  /** Bytes of all that is kept. */
  bytes = 0
  readonly limits: OutboxLimits
  #entries: Entry<T>[] = []
  /** How many of the entries, from the front, are gone. They are cut off now and then, not one by one. */
  #gone = 0
  /** Number of the first entry, counted from the beginning. */
  #first = 0
  /** Number of the first entry that did not go into the current transport. */
  #unsent = 0
  /** For each probe without a reply, oldest first, the number of the first entry that did not go before it… */
  #probes: { readonly unsent: number; readonly forgotten: number }[] = []
  /** …and how many messages had been let go by then, because the limits were reached. */
  #forgotten = 0
  /** How many of those have arrived. */
  #forgottenArrived = 0

  constructor(limits: OutboxLimits) {
    this.limits = limits
  }

  /** Messages that would be in doubt now but were let go, because the limits were reached while the transport was open. */
  get untracked(): number {
    return this.#forgotten - this.#forgottenArrived
  }

  /** How many messages wait for a transport. */
  get held(): number {
    return this.#first + this.#size - this.#unsent
  }

  /** Whether a message of that size can be held without giving anything up. */
  hasRoom(bytes: number): boolean {
    return this.#size < this.limits.maxMessages && this.bytes + bytes <= this.limits.maxBytes
  }

  /** Holds a message until there is a transport. */
  hold(data: T, bytes: number): void {
    this.#entries.push({ data, bytes, wasSent: false })
    this.bytes += bytes
  }

  /** Notes a message that has just gone into the open transport. */
  track(data: T, bytes: number): void {
    if (this.makeRoom(bytes)) {
      this.hold(data, bytes)
      this.#unsent++
    } else {
      this.#forgotten++
    }
  }

  /** Forgets the oldest messages that are in doubt, as many as it takes. @returns whether there is room then */
  makeRoom(bytes: number): boolean {
    const { maxMessages, maxBytes } = this.limits
    if (!maxMessages || bytes > maxBytes) return false
    while (this.#unsent > this.#first && !this.hasRoom(bytes)) {
      this.#removeTo(this.#first + 1)
      this.#forgotten++
    }
    return this.hasRoom(bytes)
  }

  /** Gives up the oldest held message. Only when nothing is in doubt. */
  dropOldest(): T | undefined {
    return this.#removeTo(this.#first + 1)[0]
  }

  /** Hands over what is held, in order, until `send` says that it did not take it. What it took is in doubt. */
  flush(send: (data: T) => boolean): void {
    while (this.held && send(this.#entries[this.#gone + this.#unsent - this.#first]!.data)) this.#unsent++
  }

  /** A probe follows all that was sent so far. */
  probed(): void {
    if (this.#probes.length < MAX_PROBES) this.#probes.push({ unsent: this.#unsent, forgotten: this.#forgotten })
  }

  /** The oldest probe without a reply was answered: all that went before it has arrived. */
  replied(): void {
    const probe = this.#probes.shift()
    if (!probe) return
    this.#removeTo(probe.unsent)
    this.#forgottenArrived = probe.forgotten
  }

  /** All that was sent counts as arrived. */
  arrived(): void {
    this.#removeTo(this.#unsent)
    this.#forgottenArrived = this.#forgotten
  }

  /** The transport is gone. What went into it is taken out and returned or, if `resend`, held once more. */
  lost(resend: boolean): T[] {
    if (resend) for (const entry of this.#sent()) entry.wasSent = true
    const inDoubt = resend ? [] : this.#removeTo(this.#unsent)
    this.#unsent = this.#first
    this.#probes = []
    this.#forgottenArrived = this.#forgotten
    return inDoubt
  }

  /** Takes all out: what was sent before, and may have arrived, and what was not. Only after {@link lost}. */
  clear(): { inDoubt: T[]; unsent: T[] } {
    let sentBefore = this.#first
    for (const { wasSent } of this.#entries.slice(this.#gone)) if (wasSent) sentBefore++
    return { inDoubt: this.#removeTo(sentBefore), unsent: this.#removeTo(this.#first + this.#size) }
  }

  #sent(): Entry<T>[] {
    return this.#entries.slice(this.#gone, this.#gone + this.#unsent - this.#first)
  }

  get #size(): number {
    return this.#entries.length - this.#gone
  }

  /** Takes out the entries before that number. */
  #removeTo(number: number): T[] {
    const removed: T[] = []
    for (; this.#first < number; this.#first++) {
      const { data, bytes } = this.#entries[this.#gone]!
      // Nothing keeps the data alive until the entries are cut off.
      this.#entries[this.#gone++] = undefined!
      removed.push(data)
      this.bytes -= bytes
    }
    this.#unsent = Math.max(this.#unsent, this.#first)
    if (this.#gone > this.#entries.length / 2) {
      this.#entries.splice(0, this.#gone)
      this.#gone = 0
    }
    return removed
  }
}
