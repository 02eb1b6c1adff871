import { expect, test } from 'vitest'
import { MessageLog } from '../../src/core/message-log.ts'
import { Outflow } from '../../src/core/outflow.ts'
import { decode } from '../../src/protocol/decode.ts'
import type { Payload } from '../../src/protocol/frame.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from '../../src/protocol/limits.ts'

const large = { messages: 1_000_000, bytes: 1_000_000_000 }

function logOf(...payloads: Payload[]): MessageLog<Payload> {
  const log = new MessageLog<Payload>(({ length }) => length)
  for (const payload of payloads) log.append(payload)
  return log
}

function outflow(window = large): Outflow {
  const outflow = new Outflow()
  outflow.begin(0, 0, window)
  return outflow
}

/** Everything that can go now, as `number: payloads` of each WebSocket message. */
function taken(outflow: Outflow, log: MessageLog<Payload>, ack = 0): string[] {
  const frames: string[] = []
  for (;;) {
    const message = outflow.take(log, ack)
    if (message === undefined) return frames
    const frame = decode(message)
    if (frame.type !== 'data') throw new Error(frame.type)
    expect(frame.ack).toBe(ack)
    frames.push(`${frame.first}: ${frame.payloads.join('|')}`)
  }
}

const times = (count: number, payload: Payload): Payload[] => Array.from({ length: count }, () => payload)

test('takes what is there, once, and what comes later', () => {
  const log = logOf('a', 'b')
  const out = outflow()
  expect(taken(out, log, 7)).toEqual(['1: a|b'])
  expect(taken(out, log)).toEqual([])
  log.append('c')
  expect(taken(out, log)).toEqual(['3: c'])
  expect([out.sent, out.acked]).toEqual([3, 0])
})

test('sends nothing before it has a window', () => {
  expect(new Outflow().take(logOf('a'), 0)).toBeUndefined()
})

test('[BATCH-1] puts only messages of one kind together', () => {
  const log = logOf('a', 'b', new Uint8Array([1]), new Uint8Array([2]), 'c')
  expect(taken(outflow(), log)).toEqual(['1: a|b', '3: 1|2', '5: c'])
})

test('[BATCH-1] puts no more messages together than a BATCH may hold', () => {
  const out = outflow()
  const log = logOf(...times(MAX_BATCH_MESSAGES + 1, ''))
  out.take(log, 0)
  expect(out.sent).toBe(MAX_BATCH_MESSAGES)
  out.take(log, 0)
  expect(out.sent).toBe(MAX_BATCH_MESSAGES + 1)
})

test('[BATCH-4] puts no more bytes together than a BATCH should hold, and a larger message goes alone', () => {
  const half = 'x'.repeat(MAX_BATCH_BYTES / 2)
  const out = outflow()
  const log = logOf(half, half, 'y', `${half}${half}z`, 'w')
  const sent = []
  while (out.take(log, 0) !== undefined) sent.push(out.sent)
  expect(sent).toEqual([2, 3, 4, 5])
})

test('[WINDOW-1] sends as many messages as the window takes, and one more for each acknowledgement', () => {
  const log = logOf('a', 'b', 'c', 'd')
  const out = outflow({ messages: 2, bytes: 100 })
  expect(taken(out, log)).toEqual(['1: a|b'])
  expect(out.room).toBe(0)
  expect(out.acknowledge(1)).toBe(true)
  expect(taken(out, log)).toEqual(['3: c'])
  out.acknowledge(3)
  expect(taken(out, log)).toEqual(['4: d'])
})

test('[WINDOW-2] sends as many bytes as the window takes, to the last one', () => {
  const log = logOf('aaa', 'bb', 'c')
  const out = outflow({ messages: 10, bytes: 5 })
  expect(taken(out, log)).toEqual(['1: aaa|bb'])
  expect(out.bytes).toBe(5)
  out.acknowledge(2)
  expect(taken(out, log)).toEqual(['3: c'])
})

test('[WINDOW-2] a message that does not fit behind others waits until they are acknowledged', () => {
  const log = logOf('aaa', 'bbb')
  const out = outflow({ messages: 10, bytes: 5 })
  expect(taken(out, log)).toEqual(['1: aaa'])
  expect(out.room).toBeGreaterThan(0)
  out.acknowledge(1)
  expect(taken(out, log)).toEqual(['2: bbb'])
})

test('[WINDOW-2] a message that is larger than the window goes when nothing else is in flight', () => {
  const log = logOf('a', 'bbbbbbbb', 'c')
  const out = outflow({ messages: 10, bytes: 5 })
  expect(taken(out, log)).toEqual(['1: a'])
  out.acknowledge(1)
  expect(taken(out, log)).toEqual(['2: bbbbbbbb'])
  out.acknowledge(2)
  expect(taken(out, log)).toEqual(['3: c'])
})

test('[WINDOW-2] a batch counts until its last message is acknowledged', () => {
  const log = logOf('aa', 'bb', 'cc')
  const out = outflow({ messages: 10, bytes: 4 })
  taken(out, log)
  out.acknowledge(1)
  expect(out.bytes).toBe(4)
  expect(taken(out, log)).toEqual([])
  out.acknowledge(2)
  expect(out.bytes).toBe(0)
})

test.each([
  { messages: 0, bytes: 100 },
  { messages: 100, bytes: 0 },
])('[WINDOW-2] the window %j stops the stream', (window) => {
  expect(taken(outflow(window), logOf('a', ''))).toEqual([])
})

test('[ACK-2] what has not been sent cannot be acknowledged', () => {
  const out = outflow()
  taken(out, logOf('a', 'b'))
  expect(out.acknowledge(3)).toBe(false)
  expect([out.acknowledge(2), out.acked]).toEqual([true, 2])
})

test('[ACK-1] a lower acknowledgement than before changes nothing', () => {
  const out = outflow({ messages: 10, bytes: 2 })
  const log = logOf('a', 'b', 'c')
  taken(out, log)
  out.acknowledge(2)
  expect([out.acknowledge(1), out.acked, out.bytes]).toEqual([true, 2, 0])
})

test('[RESUME-2] begins behind what the peer has received', () => {
  const log = logOf('a', 'b', 'c')
  const out = outflow()
  taken(out, log)
  out.begin(1, 0, large)
  expect(taken(out, log)).toEqual(['2: b|c'])
})

test('[WINDOW-3] what was received over an earlier connection counts until it is acknowledged', () => {
  const log = logOf('a')
  const out = outflow({ messages: 10, bytes: 3 })
  taken(out, log)
  log.append('bb')
  taken(out, log)
  log.append('ccc')
  out.begin(1, 0, { messages: 10, bytes: 3 })
  expect(out.bytes).toBe(1)
  expect(taken(out, log)).toEqual(['2: bb'])
  out.begin(2, 0, { messages: 2, bytes: 3 })
  expect([out.bytes, out.room]).toEqual([3, 0])
  out.acknowledge(2)
  expect(taken(out, log)).toEqual(['3: ccc'])
})

test('a new stream has nothing in flight', () => {
  const out = outflow({ messages: 2, bytes: 2 })
  taken(out, logOf('a', 'b'))
  out.reset()
  out.begin(0, 0, { messages: 2, bytes: 2 })
  expect(out.bytes).toBe(0)
  expect(taken(out, logOf('x'))).toEqual(['1: x'])
})

test('[GAP-3] the numbers of a gap count in the window until they are acknowledged', () => {
  const log = logOf('a', 'b', 'c', 'd')
  log.trimTo(2)
  const out = outflow({ messages: 3, bytes: 100 })
  out.skipTo(2)
  expect(out.room).toBe(1)
  expect(taken(out, log)).toEqual(['3: c'])
  expect(out.acknowledge(2)).toBe(true)
  expect(taken(out, log)).toEqual(['4: d'])
})

test('goes on over the end of a part of the log that was read', () => {
  const log = logOf('a', 'b', 'c')
  const part = { first: 1, last: 2, at: (offset: number) => log.at(offset) }
  const out = outflow()
  out.take(part, 0)
  expect([out.sent, out.take(part, 0)]).toEqual([2, undefined])
  expect(taken(out, log)).toEqual(['3: c'])
})
