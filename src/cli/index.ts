#!/usr/bin/env node
import { createRequire } from 'node:module'
import { parseCommand, UsageError } from './argument-parser.ts'
import { Failure, usageOf, type Command } from './command.ts'
import { errorText } from './error-text.ts'
import { probeCommand } from './probe-command.ts'
import { serveCommand } from './serve-command.ts'

const FAILURE = 1
const USAGE_ERROR = 64
const INTERNAL_ERROR = 70

const commands: Readonly<Record<string, Command>> = { probe: probeCommand, serve: serveCommand }

const overview = `Usage: heartline <command> [options]

${Object.values(commands)
  .map(({ manual }) => `  ${manual.synopsis}\n${manual.about.replace(/^/gm, '      ')}`)
  .join('\n\n')}

heartline <command> --help shows the options of a command.
`

async function run([name, ...rest]: readonly string[]): Promise<number> {
  if (name === '--version') return print(version())
  if (name === '--help' || name === '-h') return print(overview)
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new UsageError(`Expected a command, ${Object.keys(commands).join(' or ')}.`)
  const parsed = parseCommand(rest, command.manual.options)
  if (parsed.given['help']) return print(usageOf(command.manual))
  if (parsed.given['version']) return print(version())
  return command.run(parsed)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function version(): string {
  const { version } = createRequire(import.meta.url)('heartline/package.json') as { version: string }
  return `${version}\n`
}

/** One line for people, and never a stack trace. @returns the exit code */
function complain(error: unknown): number {
  process.stderr.write(`heartline: ${errorText(error)}\n`)
  if (error instanceof Failure) return FAILURE
  const isUsage = error instanceof UsageError || (error as { code?: unknown } | null)?.code === 'ERR_OPTION'
  return isUsage ? USAGE_ERROR : INTERNAL_ERROR
}

/** Ends the process when all is written. */
function exit(code: number): void {
  process.stdout.write('', () => process.exit(code))
}

// Whoever read the output may have gone.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
process.on('uncaughtException', (error) => exit(complain(error)))
exit(await run(process.argv.slice(2)).catch(complain))
