import { HeartlineError } from './error.ts'

/** A number option's default and range, or `null` for an option that is no number and is checked elsewhere. */
export type OptionRule = readonly [fallback: number, least: number, most: number] | null

/** The values of those options that have a range. */
export type OptionNumbers<Rules> = { readonly [Name in keyof Rules as Rules[Name] extends null ? never : Name]: number }

/**
 * Returns an option's value, or the fallback if it is `undefined`.
 *
 * @throws HeartlineError `ERR_OPTION` if the value is not a number from `least` to `most`
 */
export function numberOption(
  name: string,
  value: number | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  value ??= fallback
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw optionError(`Expected \`${name}\` to be a number from ${least} to ${most}, got ${shown(value)}.`)
  }
  return value
}

/**
 * Checks a group of options against its rules, and returns the numbers among them with their defaults.
 *
 * @param group what stands before the names in messages
 * @throws HeartlineError `ERR_OPTION` for a number out of range, and for an unknown name: a misspelt option must not
 * be ignored
 */
export function numberOptions<Rules extends Record<string, OptionRule>>(
  group: string,
  given: object,
  rules: Rules,
): OptionNumbers<Rules> {
  if (!given || typeof given !== 'object')
    throw optionError(`Expected \`${group.slice(0, -1) || 'options'}\` to be an object, got ${shown(given)}.`)
  for (const name in given) if (!Object.hasOwn(rules, name)) throw optionError(`Unknown option \`${group + name}\`.`)
  const numbers: Record<string, number> = {}
  for (const name in rules) {
    const rule = rules[name]
    if (rule)
      numbers[name] = numberOption(group + name, (given as Record<string, number>)[name], rule[0], rule[1], rule[2])
  }
  return numbers as OptionNumbers<Rules>
}

/** A text in quotes, so that '5' is not taken for 5. */
const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value))

export function optionError(message: string): HeartlineError {
  return new HeartlineError('ERR_OPTION', message)
}
