import type { MaybePromise } from '../stores/store.ts'

/** Uses a value when it is there. */
export function chain<T, U>(value: MaybePromise<T>, use: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(use) : use(value)
}
