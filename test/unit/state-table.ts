import { readDocument, table as markdownTable } from './documents.ts'

/** What an input leads to: the new state, if it is another one, and the effects in order. `·` is nothing. */
export function outcomeOf(former: string, { state, effects }: { state: string; effects: readonly string[] }): string {
  return [state === former ? '' : state, effects.join(', ')].filter(Boolean).join(': ') || '·'
}

/** A table of ARCHITECTURE.md as lines, `state | input | outcome`. */
export function documented(header: string): string[] {
  const [[, ...states], ...rows] = markdownTable(readDocument('ARCHITECTURE.md'), header) as [string[], ...string[][]]
  return rows.flatMap(([input, ...cells]) => cells.map((cell, index) => `${states[index]} | ${input} | ${cell}`))
}

/** The same of a table in a test. */
export function linesOf(table: Readonly<Record<string, Readonly<Record<string, string>>>>): string[] {
  return Object.entries(table).flatMap(([state, outcomes]) =>
    Object.entries(outcomes).map(([input, outcome]) => `${state} | ${input} | ${outcome}`),
  )
}
