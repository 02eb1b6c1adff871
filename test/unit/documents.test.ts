import { expect, test } from 'vitest'
import type { OptionRule } from '../../src/core/option.ts'
import { CloseCode, LinkCode } from '../../src/protocol/close-codes.ts'
import * as limits from '../../src/protocol/limits.ts'
import { guardDefaults } from '../../src/server/index.ts'
import { connectRules, sessionHeartbeatRules, sessionOutboxRules } from '../../src/client/options.ts'
import {
  serverHeartbeatRules,
  serverLimitRules,
  serverRules,
  serverSessionRules,
  serverTopicRules,
} from '../../src/server/options.ts'
import { listeningRules, probingRules, socketRules } from '../../src/websocket/options.ts'
import { reconnectRules } from '../../src/host/reconnect.ts'
import { outboxRules } from '../../src/websocket/reconnecting-websocket.ts'
import { anchors, membersOf, readDocument, sourceFiles, table, unionOf } from './documents.ts'

const reference = readDocument('docs/websocket.md')
const topics = readDocument('docs/topics.md')
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
  ['session server', 'topics.', serverTopicRules, sessionServer],
  ['topics', 'topics.', serverTopicRules, topics],
]

/** The groups themselves have no row. */
function withoutGroups(rules: Record<string, OptionRule>): Record<string, OptionRule> {
  const groups = new Set(['heartbeat', 'reconnect', 'outbox', 'session', 'limits', 'topics'])
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

const first = (rows: string[][]): string[] => rows.slice(1).map(([cell]) => cell!)

/** The events of a table and their fields; those with an object of another kind have none. */
const documentedEvents = (document: string): Record<string, string[]> =>
  Object.fromEntries(
    table(document, 'event')
      .slice(1)
      .map(([name, fields]) => [name, fields!.startsWith('a ') ? [] : fields!.split(', ').filter(Boolean)]),
  )

test('the reference of topics has every option, member and event of the client’s subscription, and no other', () => {
  const subscription = readDocument('src/client/subscription.ts')
  const events = readDocument('src/client/events.ts')
  expect(first(table(topics, 'subscribe option'))).toEqual(
    membersOf(readDocument('src/client/session.ts'), 'interface SubscribeOptions'),
  )
  expect(first(table(topics, 'member')).toSorted()).toEqual(membersOf(subscription, 'class Subscription').toSorted())
  expect(documentedEvents(topics)).toEqual({
    message: membersOf(events, 'interface TopicMessage'),
    subscribed: ['position'],
    gap: membersOf(events, 'interface GapEvent'),
    ended: ['reason'],
    error: [],
  })
  expect(Object.keys(documentedEvents(topics))).toEqual(membersOf(subscription, 'interface SubscriptionEventMap'))
})

test('the reference of topics has every option, member and event of the server’s topic, and no other', () => {
  const topic = readDocument('src/server/topic.ts')
  const [, server] = topics.split('## Publishing') as [string, string]
  expect(first(table(server, 'publish option'))).toEqual(membersOf(topic, 'interface PublishOptions'))
  expect(first(table(server, 'member'))).toEqual(membersOf(topic, 'class Topic'))
  expect(first(table(server, 'presence'))).toEqual(membersOf(topic, 'interface TopicEventMap'))
})

test('the reference of topics has every reason for which a topic has a gap, or ends, and no other', () => {
  const reasons = unionOf(readDocument('src/protocol/frame.ts'), 'GapReason')
  // What becomes of a session is told in its inbox.
  const ofSessions = new Set(['unknown', 'subject', 'forked'])
  expect(first(table(topics, 'gap because')).toSorted()).toEqual(
    reasons.filter((reason) => !ofSessions.has(reason)).toSorted(),
  )
  const code = readDocument('src/server/topic-hub.ts') + readDocument('src/server/session.ts')
  const ends = [...code.matchAll(/(?:refuse\(|reason: |unsubscribe\(.*, )'(\w+)'/g)].map(([, reason]) => reason!)
  expect(first(table(topics, 'ended because')).toSorted()).toEqual([...new Set(ends)].toSorted())
  const [, comment] = /\/\*\*([^/]*)\*\/\s*ended: \{/.exec(readDocument('src/client/subscription.ts'))!
  for (const reason of ends) expect(comment).toContain(`\`${reason}\``)
})

test('the reference of sessions has the fields of the client’s messages and gaps', () => {
  const events = readDocument('src/client/events.ts')
  const documented = documentedEvents(sessionClient)
  expect(documented.message).toEqual(membersOf(events, 'interface SessionMessage'))
  expect(documented.gap).toEqual(membersOf(events, 'interface GapEvent'))
  const reasons = unionOf(readDocument('src/protocol/frame.ts'), 'GapReason')
  const [, listed] = /Reasons of a gap: (.*?)\n\n/s.exec(sessionClient)!
  expect([...listed!.matchAll(/`(\w+)` \(/g)].map(([, reason]) => reason)).toEqual(reasons)
})

const grouped = (value: number): string => value.toLocaleString('en')

test('the figures about topics in the texts are those of the code', () => {
  const { maxMessages, maxBytes, maxAgeMs } = serverTopicRules
  const retention = `${grouped(maxMessages[0])} messages, ${maxBytes[0] / 1_048_576} MiB`
  const minutes = maxAgeMs[0] / 60_000
  expect(topics).toContain(`(${retention} and ${minutes} minutes, unless you say otherwise)`)
  expect(readDocument('README.md')).toContain(`(${retention}, ${minutes} minutes`)
  const [, messages, bytes] = /WINDOW = \{ messages: ([\d_]+), bytes: ([\d_]+) \}/
    .exec(readDocument('src/client/options.ts'))!
    .map((text) => Number(text.replaceAll('_', '')))
  expect(topics).toContain(`at most ${grouped(messages!)} messages and ${grouped(bytes!)} bytes`)
  expect(topics).toContain(`\`limits.maxSubscriptionsPerSession\` (${serverLimitRules.maxSubscriptionsPerSession[0]})`)
  expect(topics).toContain(`(${connectRules.maxMessageBytes[0] / 1_048_576} MiB)`)
})

test('every link from one document to a heading of another leads somewhere', () => {
  const paths = ['README.md', 'docs/topics.md', 'docs/sessions.md', 'docs/errors.md']
  const links = paths.flatMap((path) =>
    [...readDocument(path).matchAll(/\]\(([\w./-]*\.md)?#([\w-]+)\)/g)].map(([, target, anchor]) => ({
      path,
      target: target ? new URL(target, `file:///${path}`).pathname.slice(1) : path,
      anchor: anchor!,
    })),
  )
  expect(links.length).toBeGreaterThan(5)
  expect(links.filter(({ target, anchor }) => !anchors(readDocument(target)).has(anchor))).toEqual([])
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
