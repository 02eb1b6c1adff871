import { HeartlineError } from '../core/error.ts'
import type { MaybePromise } from '../stores/store.ts'

/** What a store has thrown, as the application gets it. */
export const storeError = (cause: unknown): HeartlineError =>
  cause instanceof HeartlineError ? cause : new HeartlineError('ERR_STORE', 'The store failed.', { cause })

/** What comes of something that asks the store. A rejection that nobody looks at does no harm. */
export function stored<T>(call: () => MaybePromise<T>): Promise<T> {
  try {
    const answer = call()
    if (!(answer instanceof Promise)) return Promise.resolve(answer)
    const told = answer.catch((cause: unknown) => {
      throw storeError(cause)
    })
    told.catch(ignore)
    return told
  } catch (cause) {
    const failed = Promise.reject<T>(storeError(cause))
    failed.catch(ignore)
    return failed
  }
}

const ignore = (): void => {}
