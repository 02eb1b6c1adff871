import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { connectRules } from '../../src/client/options.ts'
import { serverLimitRules, serverRules, serverTopicRules } from '../../src/server/options.ts'
import { memoryStoreRules } from '../../src/stores/memory.ts'
import { readDocument, table } from './documents.ts'

const rows = table(readDocument('SECURITY.md'), 'attack').slice(1)

test.each(rows)('the test that holds the line on %s exists', (...cells) => {
  expect(existsSync(new URL(`../integration/${cells[3]}.test.ts`, import.meta.url))).toBe(true)
})

test('the page on security has the options and defaults that there are', () => {
  const limits = Object.fromEntries(Object.entries(serverLimitRules).map(([name, [fallback]]) => [name, fallback]))
  const options = rows.map(([, , option]) => option!).join(', ')
  const named = [...options.matchAll(/limits\.(\w+) \((\d+)/g)].map(([, name, fallback]) => [name, Number(fallback)])
  expect(Object.fromEntries(named)).toEqual(limits)
  for (const name of ['allowedOrigins', 'authenticate', 'authorize', 'path'] as const) {
    expect(options).toContain(name)
    expect(serverRules).toHaveProperty(name)
  }
  const kept = [...options.matchAll(/topics\.(\w+) \((\d+)/g)].map(([, name, fallback]) => [name, Number(fallback)])
  expect(Object.fromEntries(kept)).toEqual(
    Object.fromEntries(Object.entries(serverTopicRules).map(([name, [fallback]]) => [name, fallback])),
  )
  expect(options).toContain(
    `maxMessages (${memoryStoreRules.maxMessages[0]}), maxBytes (${memoryStoreRules.maxBytes[0]})`,
  )
  expect(connectRules).toHaveProperty('maxMessageBytes')
})
