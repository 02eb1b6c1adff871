import { expect, test } from 'vitest'
import { clientCases, serverCases } from '../../src/testing/index.ts'
import { readDocument, table } from '../unit/documents.ts'

const rules = [...readDocument('PROTOCOL.md').matchAll(/\*\*\[([A-Z]+-\d+)\]\*\*/g)].map(([, rule]) => rule!)
const tried = new Set([...serverCases, ...clientCases].flatMap(({ rules }) => rules))

test('each case is about rules of the protocol', () => {
  expect(rules).toEqual(expect.arrayContaining([...tried]))
  for (const { id, rules } of [...serverCases, ...clientCases]) expect(rules.length, id).toBeGreaterThan(0)
})

test('the rules that no case is about are those that the document names', () => {
  const documented = table(readDocument('docs/conformance.md'), 'rule').slice(1)
  expect(rules.filter((rule) => !tried.has(rule))).toEqual(documented.map(([rule]) => rule))
})

test('the document has every member of the subjects', () => {
  const document = readDocument('docs/conformance.md')
  for (const needed of new Set([...serverCases, ...clientCases].flatMap(({ needs }): readonly string[] => needs)))
    expect(document, needed).toMatch(new RegExp(`^\\| \`${needed}\\b`, 'm'))
})
