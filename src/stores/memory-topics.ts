import { MessageLog } from '../core/message-log.ts'
import type { TopicEntry, TopicSlice } from '../core/subscriber.ts'
import type { Position } from '../protocol/frame.ts'
import type { Retention, TopicInfo, TopicListener } from './store.ts'

/** A message, and when it came. */
interface Kept extends TopicEntry {
  readonly at: number
}

interface Row {
  readonly generation: string
  readonly log: MessageLog<Kept>
  readonly listeners: Set<TopicListener>
  retention: Retention
}

/** How often what is too old is let go of, unless something is published meanwhile. */
const SWEEP_MS = 10_000
/** A topic without messages and listeners is forgotten so long after it was last used. */
const FORGET_MS = 86_400_000

const NOTHING: Retention = { maxMessages: 0, maxBytes: 0, maxAgeMs: 0 }
const sizeOf = ({ data }: TopicEntry): number => data.length

/** The topics of a {@link memoryStore}. */
export class MemoryTopics {
  readonly #generation: string
  readonly #rows = new Map<string, Row>()
  /** When each of the topics that hold nothing may be forgotten. */
  readonly #forgetAt = new Map<string, number>()
  /** Rises when a topic is forgotten: one of the same name does not use its offsets again. */
  #forgotten = 0
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(generation: string) {
    this.#generation = generation
  }

  publish(topic: string, { data, except }: TopicEntry, retention: Retention): Position {
    const row = this.#row(topic)
    const { log, listeners, generation } = row
    const entry = { data, except, at: performance.now() }
    row.retention = retention
    log.append(entry)
    trim(row)
    this.#forgetAt.delete(topic)
    this.#sweepLater()
    const position = { generation, offset: log.last }
    for (const listener of listeners) listener(position, entry)
    return position
  }

  info(topic: string): TopicInfo {
    const row = this.#rows.get(topic)
    if (!row) return { generation: this.#currentGeneration, first: 1, last: 0, messages: 0, bytes: 0 }
    trim(row)
    const { generation, log } = row
    return { generation, first: log.first, last: log.last, messages: log.size, bytes: log.bytes }
  }

  read(topic: string): TopicSlice {
    const row = this.#row(topic)
    trim(row)
    return row.log
  }

  watch(topic: string, listener: TopicListener): { readonly info: TopicInfo; readonly unwatch: () => void } {
    const { listeners } = this.#row(topic)
    listeners.add(listener)
    const unwatch = (): void => {
      listeners.delete(listener)
      this.#sweepLater()
    }
    return { info: this.info(topic), unwatch }
  }

  get #currentGeneration(): string {
    return this.#forgotten ? `${this.#generation}.${this.#forgotten}` : this.#generation
  }

  #row(topic: string): Row {
    let row = this.#rows.get(topic)
    if (!row) {
      const log = new MessageLog<Kept>(sizeOf)
      row = { generation: this.#currentGeneration, log, listeners: new Set(), retention: NOTHING }
      this.#rows.set(topic, row)
    }
    return row
  }

  #sweepLater(): void {
    this.#timer ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS)
    this.#timer.unref()
  }

  #sweep(now: number): void {
    for (const [topic, row] of this.#rows) {
      trim(row)
      if (row.log.size || row.listeners.size) this.#forgetAt.delete(topic)
      else if (!row.log.last) this.#rows.delete(topic)
      else if (now < (this.#forgetAt.get(topic) ?? Infinity)) {
        if (!this.#forgetAt.has(topic)) this.#forgetAt.set(topic, now + FORGET_MS)
      } else {
        this.#rows.delete(topic)
        this.#forgetAt.delete(topic)
        this.#forgotten++
      }
    }
    if (this.#rows.size) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function trim({ log, retention: { maxMessages, maxBytes, maxAgeMs } }: Row): void {
  if (!log.size) return
  const oldest = performance.now() - maxAgeMs
  while (
    log.size > maxMessages ||
    (log.bytes > maxBytes && log.size > 1) ||
    (log.size && log.at(log.first).at < oldest)
  )
    log.trimTo(log.first)
}
