import { report } from './clock.ts'

/** Listeners of events that have one object each. A listener that throws is reported, and harms nobody. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: any) => unknown>>()

  /** @returns a function that takes the listener away */
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => unknown): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  /** How many listeners there are. */
  count(type: keyof Events): number {
    return this.#listeners.get(type)?.size ?? 0
  }

  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(event)
      } catch (error) {
        report(error)
      }
    }
  }

  /**
   * Gives an event to listeners that take part in its handling.
   *
   * @returns `undefined` if all are done; else a promise that follows theirs. Throws what the first of them throws.
   */
  hand<Type extends keyof Events>(type: Type, event: Events[Type]): Promise<unknown> | undefined {
    let pending: unknown[] | undefined
    let failure: { error: unknown } | undefined
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        const result = listener(event)
        if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') (pending ??= []).push(result)
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure) {
      // Nobody else looks at these any more.
      for (const promise of pending ?? []) Promise.resolve(promise).catch(() => {})
      throw failure.error
    }
    return pending && (pending.length > 1 ? Promise.all(pending) : Promise.resolve(pending[0]))
  }
}
