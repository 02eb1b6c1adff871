import type { OptionRule, OptionRules, Parsed } from './argument-parser.ts'

/** What can stand after `heartline`. */
export interface Command<Rules extends OptionRules = OptionRules> {
  readonly manual: Manual<Rules>
  /** @returns the exit code @throws UsageError, Failure */
  run(parsed: Parsed<Rules>): Promise<number>
}

/** The command cannot do what it is for; the message says why. */
export class Failure extends Error {}

/** What `--help` of a command shows. */
export interface Manual<Rules extends OptionRules = OptionRules> {
  readonly synopsis: string
  readonly about: string
  readonly options: Rules
  readonly end: string
}

/** Options of every command. */
export const commonOptions = {
  help: { kind: 'flag', about: 'show this', short: 'h' },
  version: { kind: 'flag', about: 'show the version' },
} as const

export function usageOf({ synopsis, about, options, end }: Manual): string {
  const rows = Object.entries(options).map(([name, rule]) => [heading(name, rule), description(rule)] as const)
  const width = Math.max(...rows.map(([heading]) => heading.length))
  const lines = rows.map(([heading, description]) => `  ${heading.padEnd(width)}  ${description}`)
  return `Usage: ${synopsis}\n\n${about}\n\nOptions:\n${lines.join('\n')}\n\n${end}\n`
}

function heading(name: string, rule: OptionRule): string {
  return rule.kind === 'flag' ? `--${name}` : `--${name} <${rule.value}>`
}

function description(rule: OptionRule): string {
  if (rule.kind !== 'number') return rule.about
  const { about, least, most, fallback } = rule
  return `${about} (${least} to ${most}${fallback === undefined ? '' : `, default ${fallback}`})`
}
