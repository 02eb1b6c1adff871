import { expect, test } from 'vitest'
import type { OptionRule } from '../../src/core/option.ts'
import { LinkCode } from '../../src/protocol/close-codes.ts'
import { guardDefaults } from '../../src/server/index.ts'
import { listeningRules, probingRules, socketRules } from '../../src/websocket/options.ts'
import { reconnectRules } from '../../src/host/reconnect.ts'
import { outboxRules } from '../../src/websocket/reconnecting-websocket.ts'
import { readDocument, table } from './documents.ts'

const reference = readDocument('docs/websocket.md')

/** Name → default and range of every option, as the reference has them. */
const documented = new Map(
  reference
    .split('\n')
    .filter((line) => /^\| `\w+(\.\w+)?` +\|/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, name, fallback, range]) => [name!, `${fallback} | ${range}`]),
)

const groups: [group: string, rules: Record<string, OptionRule>][] = [
  ['', socketRules],
  ['heartbeat.', probingRules],
  ['heartbeat.', listeningRules],
  ['reconnect.', reconnectRules],
  ['outbox.', outboxRules],
]

test.each(groups)('the reference has default and range of each option %s', (group, rules) => {
  for (const [name, rule] of Object.entries(rules)) {
    expect(documented.has(group + name), `${group + name} is documented`).toBe(true)
    if (!rule) continue
    const [fallback, least, most] = rule
    expect(documented.get(group + name), group + name).toBe(
      `${Number.isNaN(fallback) ? '' : fallback} | ${least} to ${most}`,
    )
  }
})

test('the guard’s document has the default of each of its options', () => {
  const rows = table(readDocument('docs/guard.md'), 'option').slice(1)
  expect(Object.fromEntries(rows.map(([name, fallback]) => [name, Number(fallback)]))).toEqual(guardDefaults)
})

test('the reference has every close code of a connection without a session, and no other', () => {
  const rows = table(reference, 'code').slice(1)
  expect(Object.fromEntries(rows.map(([code, name]) => [name, Number(code)]))).toEqual(LinkCode)
})

test('the page on errors has every error code, and no other', () => {
  const [, union] = /export type ErrorCode =(.*?)\n\n/s.exec(readDocument('src/core/error.ts'))!
  const codes = [...union!.matchAll(/'(ERR_\w+)'/g)].map(([, code]) => code)
  expect(
    table(readDocument('docs/errors.md'), 'code')
      .slice(1)
      .map(([code]) => code),
  ).toEqual(codes)
})
