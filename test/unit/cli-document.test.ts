import { expect, test } from 'vitest'
import type { OptionRules } from '../../src/cli/argument-parser.ts'
import { probeOptions } from '../../src/cli/probe-options.ts'
import { serveOptions } from '../../src/cli/serve-options.ts'
import { readDocument, table } from './documents.ts'

const reference = readDocument('docs/cli.md')
const section = (heading: string) => reference.slice(reference.indexOf(heading))

const commands: [heading: string, rules: OptionRules][] = [
  ['## probe', probeOptions],
  ['## serve', serveOptions],
]

test.each(commands)('the document has each option, its default and its range: %s', (heading, rules) => {
  const rows = table(section(heading), 'option').slice(1)
  expect(rows.map(([name]) => name)).toEqual(Object.keys(rules).map((name) => `--${name}`))
  for (const [name, fallback, range] of rows) {
    const rule = rules[name!.slice(2)]!
    if (rule.kind !== 'number') expect(range, name).toBe('')
    else expect([fallback, range], name).toEqual([String(rule.fallback ?? ''), `${rule.least} to ${rule.most}`])
  }
})
