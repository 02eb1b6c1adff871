import { HeartlineError } from './error.ts'

/**
 * Returns an option's value, or the fallback if it is `undefined`.
 *
 * @throws HeartlineError `ERR_OPTION` if the value is not a number from `min` to `max`
 */
export function numberOption(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  value ??= fallback
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new HeartlineError('ERR_OPTION', `Expected \`${name}\` to be a number from ${min} to ${max}, got ${String(value)}.`)
  }
  return value
}
