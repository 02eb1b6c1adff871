import { optionError } from '../core/option.ts'
import { report } from './clock.ts'

/** @throws HeartlineError `ERR_OPTION` for an event that is never emitted, or what is no function */
export function checkListener(type: PropertyKey, listener: unknown, types: readonly PropertyKey[]): void {
  if (!types.includes(type) || typeof listener !== 'function')
    throw optionError(`Expected a function for one of the events ${types.join(', ')}, got ${String(type)}.`)
}

/** Listeners of events that have one object each. A listener that throws is reported, and harms nobody. */
export class Emitter<Events extends object> {
  /** Copied when it changes, so that a walk over it is not disturbed. There are many of these: no maps, no sets. */
  readonly #listeners: { [Type in keyof Events]?: readonly ((event: any) => unknown)[] } = {}

  /** @returns a function that takes the listener away */
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => unknown): () => void {
    const all = this.#listeners
    // Not by spreading, which leaves room for sixteen more.
    all[type] = (all[type] ?? []).concat(listener)
    return () => {
      // One of them, if it was added twice.
      const index = all[type]!.indexOf(listener)
      if (index >= 0) all[type] = all[type]!.filter((_, other) => other !== index)
    }
  }

  /** How many listeners there are. */
  count(type: keyof Events): number {
    return this.#listeners[type]?.length ?? 0
  }

  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void {
    for (const listener of this.#listeners[type] ?? []) {
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
    for (const listener of this.#listeners[type] ?? []) {
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
