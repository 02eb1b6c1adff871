import { parseArgs } from 'node:util'

/** One option of a command, written `--name`. Its `about` is the line that `--help` shows. */
export type OptionRule =
  | { readonly kind: 'flag'; readonly about: string; readonly short?: string }
  /** `many`: may be given more than once. */
  | { readonly kind: 'text' | 'many'; readonly value: string; readonly about: string }
  | NumberRule

export interface NumberRule {
  readonly kind: 'number'
  readonly value: string
  readonly about: string
  readonly least: number
  readonly most: number
  readonly fallback?: number
  readonly isWhole?: boolean
}

export type OptionRules = Readonly<Record<string, OptionRule>>

interface ValueOf {
  flag: boolean
  text: string
  many: string[]
  number: number
}

/** The options that were given. */
export type Given<Rules extends OptionRules> = { -readonly [Name in keyof Rules]?: ValueOf[Rules[Name]['kind']] }

export interface Parsed<Rules extends OptionRules> {
  readonly given: Given<Rules>
  readonly positionals: readonly string[]
}

/** The command line is wrong; the message says what to write. */
export class UsageError extends Error {}

/** @throws UsageError for an unknown option, a missing or unexpected value, and a number out of its range */
export function parseCommand<Rules extends OptionRules>(args: readonly string[], rules: Rules): Parsed<Rules> {
  const options = Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [
      name,
      {
        type: rule.kind === 'flag' ? ('boolean' as const) : ('string' as const),
        ...(rule.kind === 'flag' && rule.short && { short: rule.short }),
      },
    ]),
  )
  // Not strict: Node's own complaints are several lines long, and know nothing of ranges.
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true })
  const given: Record<string, unknown> = {}
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (!rule) throw new UsageError(`Unknown option ${rawName}.`)
    if (rule.kind === 'flag') {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
      given[name] = true
      continue
    }
    if (value === undefined) throw new UsageError(`Expected a value after ${rawName}.`)
    if (!inlineValue && value.startsWith('-'))
      throw new UsageError(
        `Expected a value after ${rawName}; one that begins with a dash goes as ${rawName}=${value}.`,
      )
    if (rule.kind === 'number') given[name] = numberFrom(rawName, value, rule)
    else given[name] = rule.kind === 'many' ? [...((given[name] as string[] | undefined) ?? []), value] : value
  }
  return { given: given as Given<Rules>, positionals }
}

function numberFrom(name: string, text: string, { least, most, isWhole }: NumberRule): number {
  const value = (isWhole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  const kind = isWhole ? 'a whole number' : 'a number'
  throw new UsageError(`Expected ${name} to be ${kind} from ${least} to ${most}, got ${JSON.stringify(text)}.`)
}
