import { expect, test } from 'vitest'
import type { OptionRule } from '../../src/core/option.ts'
import { CloseCode, LinkCode } from '../../src/protocol/close-codes.ts'
import * as limits from '../../src/protocol/limits.ts'
import { guardDefaults } from '../../src/server/index.ts'
import { connectRules, sessionHeartbeatRules, sessionOutboxRules } from '../../src/client/options.ts'
import { serverHeartbeatRules, serverLimitRules, serverRules, serverSessionRules } from '../../src/server/options.ts'
import { listeningRules, probingRules, socketRules } from '../../src/websocket/options.ts'
import { reconnectRules } from '../../src/host/reconnect.ts'
import { outboxRules } from '../../src/websocket/reconnecting-websocket.ts'
import { anchors, readDocument, sourceFiles, table } from './documents.ts'

const reference = readDocument('docs/websocket.md')
const [sessionClient, sessionServer] = readDocument('docs/sessions.md').split('## The server') as [string, string]

/** Name → default and range of every option, as a document has them. */
const documentedOptions = (text: string): Map<string, string> =>
  new Map(
    text
      .split('\n')
      .filter((line) => /^\| `\w+(\.\w+)?` +\|/.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .map(([, name, fallback, range]) => [name!, `${fallback} | ${range}`]),
  )

const groups: [document: string, group: string, rules: Record<string, OptionRule>, text: string][] = [
  ['websocket', '', socketRules, reference],
  ['websocket', 'heartbeat.', probingRules, reference],
  ['websocket', 'heartbeat.', listeningRules, reference],
  ['websocket', 'reconnect.', reconnectRules, reference],
  ['websocket', 'outbox.', outboxRules, reference],
  ['session client', '', withoutGroups(connectRules), sessionClient],
  ['session client', 'heartbeat.', sessionHeartbeatRules, sessionClient],
  ['session client', 'reconnect.', reconnectRules, sessionClient],
  ['session client', 'outbox.', sessionOutboxRules, sessionClient],
  ['session server', '', withoutGroups(serverRules), sessionServer],
  ['session server', 'heartbeat.', serverHeartbeatRules, sessionServer],
  ['session server', 'session.', serverSessionRules, sessionServer],
  ['session server', 'limits.', serverLimitRules, sessionServer],
]

/** The groups themselves have no row. */
function withoutGroups(rules: Record<string, OptionRule>): Record<string, OptionRule> {
  const groups = new Set(['heartbeat', 'reconnect', 'outbox', 'session', 'limits'])
  return Object.fromEntries(Object.entries(rules).filter(([name]) => !groups.has(name)))
}

test.each(groups)('the reference of %s has default and range of each option %s', (_document, group, rules, text) => {
  const documented = documentedOptions(text)
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

const protocol = readDocument('PROTOCOL.md')

test('the protocol has every close code, no other, and each in the range that says what to do', () => {
  const rows = table(protocol, 'code').slice(1)
  expect(Object.fromEntries(rows.map(([code, name]) => [name, Number(code)]))).toEqual(CloseCode)
  const final = rows.filter(([code]) => Number(code) >= 4900).map(([, name]) => name)
  expect(final).toEqual(['unauthorized', 'superseded', 'protocolError', 'tooLarge', 'notHeartline'])
})

test('the protocol has every reason of a gap, and no other', () => {
  const [, union] = /export type GapReason =(.*?)\n\n/s.exec(readDocument('src/protocol/frame.ts'))!
  const reasons = [...union!.matchAll(/\| '(\w+)'/g)].map(([, reason]) => reason)
  const rows = table(protocol, 'why').slice(1)
  expect(rows.map(([reason]) => reason)).toEqual(reasons)
})

test('the protocol has every limit of the codec', () => {
  const rows = table(protocol, 'limit').slice(1)
  const { PROTOCOL, HELLO_PREFIX, ...numbers } = limits
  expect(Object.fromEntries(rows.map(([, value, name]) => [name, Number(value)]))).toEqual(numbers)
  expect(protocol).toContain(`\`${PROTOCOL}\``)
  expect(protocol).toContain(`\`${HELLO_PREFIX}\``)
})

test('each rule of the protocol stands once, and each that is referred to exists', () => {
  const rules = [...protocol.matchAll(/\*\*\[([A-Z]+-\d+)\]\*\*/g)].map(([, rule]) => rule)
  expect(rules.length).toBeGreaterThan(100)
  expect(new Set(rules).size).toBe(rules.length)
  const references = [...protocol.matchAll(/\[([A-Z]+-\d+)\]/g)].map(([, rule]) => rule)
  expect(rules).toEqual(expect.arrayContaining(references))
})

test('every anchor of the protocol that code, documents or itself refer to exists', () => {
  const referring = [...sourceFiles(), 'docs/conformance.md', 'README.md', 'ARCHITECTURE.md'].flatMap((path) =>
    [...readDocument(path).matchAll(/PROTOCOL\.md#([\w-]+)/g)].map(([, anchor]) => `${path}: ${anchor}`),
  )
  const own = [...protocol.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => `PROTOCOL.md: ${anchor}`)
  expect(referring.length).toBeGreaterThan(10)
  const known = anchors(protocol)
  expect([...referring, ...own].filter((one) => !known.has(one.split(': ')[1]!))).toEqual([])
})
