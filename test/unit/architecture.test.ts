import { expect, test } from 'vitest'
import { anchors, readDocument, sourceFiles, table } from './documents.ts'

const architecture = readDocument('ARCHITECTURE.md')

test('every anchor of ARCHITECTURE.md that the code refers to exists', () => {
  const referring = sourceFiles().flatMap((path) =>
    [...readDocument(path).matchAll(/ARCHITECTURE\.md#([\w-]+)/g)].map(([, anchor]) => `${path}: ${anchor}`),
  )
  expect(referring.length).toBeGreaterThan(1)
  const known = anchors(architecture)
  expect(referring.filter((one) => !known.has(one.split(': ')[1]!))).toEqual([])
})

test('ARCHITECTURE.md says of every file of the core what it decides, and of every folder what is in it', () => {
  const rows = table(architecture, 'file in src/core').join(' ')
  const files = sourceFiles().filter((path) => path.startsWith('src/core/'))
  // These two decide nothing.
  const undecided = new Set(['error.ts', 'option.ts'])
  const names = files.map((path) => path.slice('src/core/'.length)).filter((name) => !undecided.has(name))
  expect(names.filter((name) => !rows.includes(name))).toEqual([])
  const folders = new Set(sourceFiles().map((path) => `${path.split('/').slice(0, 2).join('/')}/`))
  expect([...folders].filter((folder) => !architecture.includes(`\n${folder} `))).toEqual([])
})
