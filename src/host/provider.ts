import type { Ending } from '../core/link.ts'

/** Why a provider is called. */
export interface ProviderContext {
  /**
   * `initial` the first time; `rejected` if the attempt before was refused by the server before it opened, so that
   * credentials may be at fault; `reconnect` otherwise.
   */
  readonly reason: 'initial' | 'reconnect' | 'rejected'
  /** Attempts since the last stable connection, this one not counted. */
  readonly attempts: number
}

/** A value, or a function that is asked for it at every attempt. One that fails makes this attempt fail, no more. */
export type Provider<T> = T | ((context: ProviderContext) => T | Promise<T>)

/** What to tell a provider after the attempt or connection before ended so. */
export function providerContext(lastEnding: Ending | undefined, attempts: number): ProviderContext {
  const reason = lastEnding ? (lastEnding.cause === 'refused' ? 'rejected' : 'reconnect') : 'initial'
  return { reason, attempts }
}

/** Asks a provider. @throws TypeError if what it gives cannot be used */
export async function ask<T>(
  provider: Provider<T>,
  context: ProviderContext,
  isUsable: (value: T) => boolean,
): Promise<T> {
  if (typeof provider !== 'function') return provider
  const value = await (provider as (context: ProviderContext) => T | Promise<T>)(context)
  if (!isUsable(value)) throw new TypeError(`The provider's value cannot be used, it is of type ${typeof value}.`)
  return value
}

export const isUrl = (value: unknown): boolean => typeof value === 'string' || typeof (value as URL)?.href === 'string'
