import type { Ending } from '../core/link.ts'
import { numberOptions, optionError } from '../core/option.ts'
import { isRetryable, Retry } from '../core/retry.ts'
import { MAX_TIMER_MS, report } from './clock.ts'

export interface ReconnectOptions {
  /** Upper end of the first delay in milliseconds, 1 to 2147483647. @default 1000 */
  minDelayMs?: number
  /** Upper end of every delay in milliseconds, `minDelayMs` to 2147483647. @default 30000 */
  maxDelayMs?: number
  /** Attempts in a row that may follow a failure before it closes for good, 0 to Infinity. @default Infinity */
  maxAttempts?: number
  /** Milliseconds that a connection must have been up for the count of attempts to begin anew. @default 5000 */
  stableAfterMs?: number
  /**
   * Whether to try again after this end.
   * @default every close code but 1000, 1003, 1007, 1008, 1010 and 4900–4999
   */
  shouldReconnect?: (ending: Ending) => boolean
}

/** Default and range of each option. */
export const reconnectRules = {
  shouldReconnect: null,
  minDelayMs: [1_000, 1, MAX_TIMER_MS],
  maxDelayMs: [30_000, 1, MAX_TIMER_MS],
  maxAttempts: [Infinity, 0, Infinity],
  stableAfterMs: [5_000, 0, Infinity],
} as const

/** Checks the options, and answers the questions of the core. @throws HeartlineError `ERR_OPTION` */
export function retryPolicy(options: ReconnectOptions = {}, isWorthIt = isRetryable): Retry {
  const numbers = numberOptions('reconnect.', options, reconnectRules)
  const { shouldReconnect = isWorthIt } = options
  if (typeof shouldReconnect !== 'function') throw optionError('Expected `reconnect.shouldReconnect` to be a function.')
  return new Retry(numbers, {
    random: Math.random,
    isOffline: () => globalThis.navigator?.onLine === false,
    shouldReconnect: (ending) => {
      try {
        return shouldReconnect(ending)
      } catch (error) {
        report(error)
        return true
      }
    },
  })
}
