import type { TopicEntry, TopicSlice } from '../../../src/core/subscriber.ts'
import type { Position } from '../../../src/protocol/frame.ts'
import type { MaybePromise, Retention, Store, TopicInfo, TopicListener } from '../../../src/stores/store.ts'
import type { EventQueue } from '../sessions/event-queue.ts'
import type { Truth } from './truth.ts'

export interface TopicStoreTrouble {
  /** Time to the store and back again; `undefined`: it is in the process. */
  readonly delayMs: number | undefined
  /** So many of the next reads fail. */
  readFailures: number
}

/** A copy over a network holds so many messages. */
const SLICE = 20

/** The log of topics behind a network, for one process: what it does and what is heard of it are two things. */
export class TopicStore implements Pick<Store, 'publish' | 'topic' | 'readTopic' | 'watch'> {
  /** What is called when the process is running. */
  when: (run: () => void) => void = (run) => run()
  readonly #queue: EventQueue
  #store: Store
  readonly #truth: Truth
  readonly #trouble: TopicStoreTrouble
  readonly #watchers = new Map<{ readonly topic: string; readonly listener: TopicListener }, () => void>()

  constructor(queue: EventQueue, store: Store, truth: Truth, trouble: TopicStoreTrouble) {
    this.#queue = queue
    this.#store = store
    this.#truth = truth
    this.#trouble = trouble
  }

  /** The store has lost its memory, and goes on with another history. */
  replace(store: Store): void {
    this.#store = store
    for (const [watcher, unwatch] of this.#watchers) {
      unwatch()
      const { info, unwatch: next } = this.#watch(watcher.topic, watcher.listener)
      this.#watchers.set(watcher, next)
      const position = { generation: info.generation, offset: info.last }
      this.#later(() => watcher.listener(position, undefined))
    }
  }

  /** The process is gone. */
  close(): void {
    for (const unwatch of this.#watchers.values()) unwatch()
  }

  /** Where a topic is, if its process knows that. */
  here(topic: string): Position | undefined {
    if (this.#trouble.delayMs !== undefined) return
    const { generation, last } = this.head(topic)
    return { generation, offset: last }
  }

  /** What is kept, for whoever sees all. */
  head(topic: string): TopicInfo {
    return this.#store.topic(topic) as TopicInfo
  }

  publish(topic: string, entry: TopicEntry, retention: Retention): MaybePromise<Position> {
    return this.#call(() => {
      const position = this.#store.publish(topic, entry, retention) as Position
      this.#truth.published(topic, position, entry.data, entry.except)
      return position
    })
  }

  topic(topic: string): MaybePromise<TopicInfo> {
    return this.#call(() => this.#store.topic(topic) as TopicInfo)
  }

  readTopic(topic: string, after: number): MaybePromise<TopicSlice> {
    const mayFail = this.#trouble.readFailures > 0
    if (mayFail) this.#trouble.readFailures--
    return this.#call(() => {
      if (mayFail) throw new Error('The store cannot be read.')
      const log = this.#store.readTopic(topic, after) as TopicSlice
      if (this.#trouble.delayMs === undefined) return log
      const first = Math.max(after + 1, log.first)
      const entries: TopicEntry[] = []
      for (let offset = first; offset <= Math.min(log.last, first + SLICE - 1); offset++) entries.push(log.at(offset))
      return { first, last: first + entries.length - 1, at: (offset: number) => entries[offset - first]! }
      // Hints are faster: of a history that is gone, answers may be on their way.
    }, 2)
  }

  watch(
    topic: string,
    listener: TopicListener,
  ): MaybePromise<{ readonly info: TopicInfo; readonly unwatch: () => void }> {
    return this.#call(() => {
      const watcher = { topic, listener }
      const { info, unwatch } = this.#watch(topic, listener)
      this.#watchers.set(watcher, unwatch)
      return {
        info,
        unwatch: () => {
          this.#watchers.get(watcher)?.()
          this.#watchers.delete(watcher)
        },
      }
    })
  }

  #watch(topic: string, listener: TopicListener): { readonly info: TopicInfo; readonly unwatch: () => void } {
    let hints = 0
    const hear: TopicListener = (position, entry) => {
      // Over a network not each hint brings its message, and some come twice.
      const kept = this.#trouble.delayMs !== undefined && hints++ % 3 ? undefined : entry
      this.#later(() => listener(position, kept))
      if (hints % 5 === 4) this.#later(() => listener(position, kept))
    }
    return this.#store.watch(topic, hear) as { readonly info: TopicInfo; readonly unwatch: () => void }
  }

  #later(run: () => void): void {
    const { delayMs } = this.#trouble
    if (delayMs === undefined) run()
    else this.#queue.after(delayMs, () => this.when(run))
  }

  #call<T>(run: () => T, slowness = 1): MaybePromise<T> {
    const { delayMs } = this.#trouble
    if (delayMs === undefined) return run()
    return new Promise((resolve, reject) => {
      this.#queue.after(delayMs, () => {
        try {
          const answer = run()
          this.#queue.after(slowness * delayMs, () => this.when(() => resolve(answer)))
        } catch (error) {
          this.#queue.after(delayMs, () => this.when(() => reject(error as Error)))
        }
      })
    })
  }
}
