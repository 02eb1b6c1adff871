import { dateText } from './figures-text.ts'
import type { Colour, Terminal } from './terminal.ts'

/** Writes a line that says when, what and more. */
export function logLine(terminal: Terminal, date: Date, what: string, more: string, colour: Colour): void {
  const padding = ' '.repeat(Math.max(0, 10 - what.length))
  terminal.write(`${dateText(date)}  ${terminal.coloured(what, colour)}${padding}  ${more}\n`)
}
