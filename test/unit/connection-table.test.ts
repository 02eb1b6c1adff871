import { describe, expect, test } from 'vitest'
import { Connection, type ConnectionState } from '../../src/core/connection.ts'
import { CloseCode } from '../../src/protocol/close-codes.ts'
import { readDocument, table as markdownTable } from './documents.ts'

/** The table of ARCHITECTURE.md: what every input leads to in every state, and the effects in order. */
type Input =
  | 'opened'
  | 'received'
  | 'ended'
  | 'ended, no retry'
  | 'failed'
  | 'close'
  | 'wake'
  | 'hide'
  | 'tick, early'
  | 'tick, due'
type Outcome = readonly [ConnectionState, ...effects: string[]]

const same = (state: ConnectionState): Outcome => [state]

const table: Record<ConnectionState, Record<Input, Outcome>> = {
  connecting: {
    opened: ['open'],
    received: same('connecting'),
    ended: ['waiting', 'ended refused'],
    'ended, no retry': ['closed', 'ended refused'],
    failed: ['waiting', 'ended provider'],
    close: ['closing'],
    wake: same('connecting'),
    hide: ['suspended', 'ended pagehide'],
    'tick, early': same('connecting'),
    'tick, due': ['waiting', 'ended connectTimeout'],
  },
  open: {
    opened: same('open'),
    received: same('open'),
    ended: ['waiting', 'ended closed'],
    'ended, no retry': ['closed', 'ended closed'],
    failed: same('open'),
    close: ['closing'],
    wake: ['open', 'probe'],
    hide: ['suspended', 'ended pagehide'],
    'tick, early': same('open'),
    'tick, due': ['connecting', 'probe', 'ended heartbeat', 'connect'],
  },
  closing: {
    opened: same('closing'),
    received: same('closing'),
    ended: ['closed', 'ended application'],
    'ended, no retry': ['closed', 'ended application'],
    failed: same('closing'),
    close: same('closing'),
    wake: same('closing'),
    hide: same('closing'),
    'tick, early': same('closing'),
    'tick, due': ['closed', 'ended application'],
  },
  closed: {
    opened: same('closed'),
    received: same('closed'),
    ended: same('closed'),
    'ended, no retry': same('closed'),
    failed: same('closed'),
    close: same('closed'),
    wake: same('closed'),
    hide: same('closed'),
    'tick, early': same('closed'),
    'tick, due': same('closed'),
  },
  waiting: {
    opened: same('waiting'),
    received: same('waiting'),
    ended: same('waiting'),
    'ended, no retry': same('waiting'),
    failed: same('waiting'),
    close: ['closing'],
    wake: ['connecting', 'connect'],
    hide: same('suspended'),
    'tick, early': same('waiting'),
    'tick, due': ['connecting', 'connect'],
  },
  suspended: {
    opened: same('suspended'),
    received: same('suspended'),
    ended: same('suspended'),
    'ended, no retry': same('suspended'),
    failed: same('suspended'),
    close: ['closing'],
    wake: ['connecting', 'connect'],
    hide: same('suspended'),
    'tick, early': same('suspended'),
    'tick, due': same('suspended'),
  },
}

const NO_RETRY = 4999

function start(state: ConnectionState) {
  const effects: string[] = []
  let now = 0
  const connection = new Connection(
    {
      connect: () => effects.push('connect'),
      probe: () => effects.push('probe') > 0,
      ended: ({ cause }) => effects.push(`ended ${cause}`),
    },
    {
      connectTimeoutMs: 10_000,
      closeTimeoutMs: 5_000,
      heartbeat: { intervalMs: 10_000, timeoutMs: 5_000, listenOnly: false },
    },
    // Dead of silence: at once. Anything else: in two seconds.
    { next: ({ code }) => (code === NO_RETRY ? undefined : code === CloseCode.heartbeatTimeout ? 0 : 2_000) },
  )
  connection.connect(now)
  const reach: Record<ConnectionState, () => void> = {
    connecting: () => {},
    open: () => connection.opened(now),
    closing: () => connection.close(now),
    closed: () => connection.ended(now, NO_RETRY, '', false),
    waiting: () => connection.ended(now, 1006, '', false),
    suspended: () => connection.hide(now),
  }
  reach[state]()
  effects.length = 0
  const feed: Record<Input, () => void> = {
    opened: () => connection.opened(now),
    received: () => connection.received(now, false),
    ended: () => connection.ended(now, 1006, '', false),
    'ended, no retry': () => connection.ended(now, NO_RETRY, '', false),
    failed: () => connection.failed(now),
    close: () => connection.close(now),
    wake: () => {
      now += 1_500
      connection.wake(now)
    },
    hide: () => connection.hide(now),
    'tick, early': () => connection.tick(now, 0, 0),
    'tick, due': () => {
      const before = connection.state
      while (connection.state === before && connection.deadline < Infinity) {
        now = connection.deadline
        connection.tick(now, 0, 0)
      }
    },
  }
  return { connection, effects, feed }
}

describe.each(Object.keys(table) as ConnectionState[])('%s', (state) => {
  test.each(Object.keys(table[state]) as Input[])('%s', (input) => {
    const { connection, effects, feed } = start(state)
    expect(connection.state).toBe(state)
    feed[input]()
    expect([connection.state, ...effects]).toEqual(table[state][input])
  })
})

test('ARCHITECTURE.md has the same table', () => {
  const [header, ...rows] = markdownTable(readDocument('ARCHITECTURE.md'), 'input')
  const states = header!.slice(1) as ConnectionState[]
  const written = rows.flatMap(([input, ...cells]) => cells.map((cell, index) => `${states[index]}, ${input}: ${cell}`))
  const expected = rows.flatMap(([input]) =>
    states.map((state) => {
      const [next, ...effects] = table[state][input as Input]
      const cell = effects.length ? `${next}: ${effects.join(', ')}` : next === state ? '·' : next
      return `${state}, ${input}: ${cell}`
    }),
  )
  expect(written).toEqual(expected)
  expect(states.length * rows.length).toBe(60)
})

test.each([
  ['the path died', (connection: Connection) => connection.tick(connection.deadline, 0, 0), true],
  ['the peer closed', (connection: Connection) => connection.ended(100, 1006, '', false), false],
  [
    'the host has just woken up',
    (connection: Connection) => {
      connection.wake(100)
      connection.ended(5_099, 1006, '', false)
    },
    true,
  ],
  [
    'the host woke up some time ago',
    (connection: Connection) => {
      connection.wake(100)
      connection.ended(5_100, 1006, '', false)
    },
    false,
  ],
] as const)('an end when %s tells whether this client is alone: %#', (_, end, expected) => {
  const alone: boolean[] = []
  const connection = new Connection(
    { connect: () => {}, probe: () => true, ended: () => {} },
    {
      connectTimeoutMs: 10_000,
      closeTimeoutMs: 5_000,
      heartbeat: { intervalMs: 10_000, timeoutMs: 5_000, listenOnly: true },
    },
    { next: (_ending, _upMs, isAlone) => void alone.push(isAlone) },
  )
  connection.connect(0)
  connection.opened(0)
  while (!alone.length) end(connection)
  expect(alone).toEqual([expected])
})

test('a listener that closes the connection from inside `ended` stops the attempt that would have followed', () => {
  const effects: string[] = []
  const connection: Connection = new Connection(
    {
      connect: () => effects.push('connect'),
      probe: () => true,
      ended: () => connection.close(0),
    },
    { connectTimeoutMs: 10_000, closeTimeoutMs: 5_000, heartbeat: undefined },
    { next: () => 0 },
  )
  connection.connect(0)
  connection.ended(0, 1006, '', false)
  expect(connection.state).toBe('closing')
  expect(effects).toEqual(['connect'])
})
