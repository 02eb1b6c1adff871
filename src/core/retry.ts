import type { RetryPolicy } from './connection.ts'
import type { Ending } from './link.ts'

export interface RetryOptions {
  /** Upper end of the first delay. */
  readonly minDelayMs: number
  /** Upper end of every delay. */
  readonly maxDelayMs: number
  /** Attempts in a row that may follow a failure. */
  readonly maxAttempts: number
  /** Time that a connection must have been up for the count of attempts to begin anew. */
  readonly stableAfterMs: number
}

/** What {@link Retry} asks its shell. */
export interface RetryQuestions {
  /** A number from 0 up to, but not including, 1. */
  random(): number
  /** The host says that there is no network. No proof: it makes the delay the longest, it forbids nothing. */
  isOffline(): boolean
  /** Whether this end is worth another attempt. */
  shouldReconnect(ending: Ending): boolean
}

/**
 * Says when to try again: exponential back-off with full jitter, applied after the cap, so that a thousand clients
 * which lost the same server never come back in step. Only a client that was cut off alone tries at once.
 */
export class Retry implements RetryPolicy {
  /** Attempts since the last stable connection. */
  attempts = 0
  readonly #options: RetryOptions
  readonly #ask: RetryQuestions

  constructor(options: RetryOptions, questions: RetryQuestions) {
    this.#options = options
    this.#ask = questions
  }

  next(ending: Ending, upMs: number, isAlone: boolean): number | undefined {
    const { minDelayMs, maxDelayMs, maxAttempts, stableAfterMs } = this.#options
    if (ending.cause === 'pagehide') return 0
    if (upMs >= stableAfterMs) this.attempts = 0
    if (!this.#ask.shouldReconnect(ending) || this.attempts >= maxAttempts) return
    const capMs = Math.min(maxDelayMs, minDelayMs * 2 ** this.attempts)
    return this.attempts++ === 0 && isAlone ? 0 : this.#ask.isOffline() ? maxDelayMs : this.#ask.random() * capMs
  }
}

/**
 * Whether a close code leaves hope: not 1000 (the peer is done), 1003, 1007, 1008 and 1010 (the peer does not accept
 * what this client is or sends), nor 49xx.
 *
 * @see RFC 6455, section 7.4.1
 */
export function isRetryable({ code }: { readonly code: number }): boolean {
  return ![1000, 1003, 1007, 1008, 1010].includes(code) && (code < 4900 || code > 4999)
}
