interface Entry<T> {
  readonly data: T
  readonly bytes: number
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
  /** Messages that would be in doubt now but were let go, because the limits were reached while the transport was open. */
  untracked = 0
  #entries: Entry<T>[] = []
  /** How many of the entries, from the front, went into the current transport. */
  #sent = 0
  /** For each probe without a reply, oldest first, how many of those went before it. */
  #probes: number[] = []
  readonly limits: OutboxLimits

  constructor(limits: OutboxLimits) {
    this.limits = limits
  }

  /** How many messages wait for a transport. */
  get held(): number {
    return this.#entries.length - this.#sent
  }

  /** Whether a message of that size can be held without giving anything up. */
  hasRoom(bytes: number): boolean {
    return this.#entries.length < this.limits.maxMessages && this.bytes + bytes <= this.limits.maxBytes
  }

  /** Holds a message until there is a transport. */
  hold(data: T, bytes: number): void {
    this.#entries.push({ data, bytes })
    this.bytes += bytes
  }

  /** Notes a message that has just gone into the open transport, forgetting the oldest ones if there is no room. */
  track(data: T, bytes: number): void {
    while (this.#sent && !this.hasRoom(bytes)) {
      this.#remove(1)
      this.untracked++
    }
    if (this.hasRoom(bytes)) {
      this.hold(data, bytes)
      this.#sent++
    } else {
      this.untracked++
    }
  }

  /** Gives up the oldest held message. Only while there is no transport. */
  dropOldest(): T | undefined {
    return this.#remove(1)[0]
  }

  /** Hands over what is held, in order, until `send` says that it did not take it. What it took is in doubt. */
  flush(send: (data: T) => boolean): void {
    while (this.#sent < this.#entries.length && send(this.#entries[this.#sent]!.data)) this.#sent++
  }

  /** A probe follows all that was sent so far. */
  probed(): void {
    if (this.#probes.length < MAX_PROBES) this.#probes.push(this.#sent)
  }

  /** The oldest probe without a reply was answered: all that went before it has arrived. */
  replied(): void {
    this.#remove(this.#probes.shift() ?? 0)
    if (!this.#sent) this.untracked = 0
  }

  /** All that was sent counts as arrived. */
  arrived(): void {
    this.#remove(this.#sent)
    this.untracked = 0
  }

  /** The transport is gone. What went into it is taken out and returned or, if `resend`, held once more. */
  lost(resend: boolean): T[] {
    const inDoubt = resend ? [] : this.#remove(this.#sent)
    this.#sent = this.untracked = 0
    this.#probes = []
    return inDoubt
  }

  /** Takes all out that was never sent. Only after {@link lost}. */
  clear(): T[] {
    return this.#remove(this.#entries.length)
  }

  #remove(count: number): T[] {
    if (!count) return []
    const removed = this.#entries.splice(0, count)
    for (const { bytes } of removed) this.bytes -= bytes
    this.#sent = Math.max(0, this.#sent - count)
    this.#probes = this.#probes.map((sent) => Math.max(0, sent - count))
    return removed.map(({ data }) => data)
  }
}
