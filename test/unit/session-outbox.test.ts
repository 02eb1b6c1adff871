import { expect, test } from 'vitest'
import { SessionOutbox, type Outgoing } from '../../src/core/session-outbox.ts'

interface Message extends Outgoing {
  readonly data: string
}

const message = (data: string): Message => ({ data, wasSent: false })

function scene({ maxMessages = 3, maxBytes = 10, waitsForRoom = true } = {}) {
  const fates: string[] = []
  const outbox = new SessionOutbox<Message>({ maxMessages, maxBytes, waitsForRoom }, ({ data }, fate) => {
    fates.push(`${data} ${fate}`)
  })
  return { outbox, fates, add: (...names: string[]) => names.map((name) => outbox.add(message(name))) }
}

test('what has no room waits for some, or is refused', () => {
  const { outbox, add, fates } = scene()
  expect(add('a', 'b', 'c', 'd', 'e')).toEqual([true, true, true, undefined, undefined])
  expect([outbox.last, outbox.pending]).toEqual([3, 5])
  outbox.sent(3)
  outbox.acknowledge(1)
  expect([outbox.last, outbox.oldest, outbox.pending, fates]).toEqual([4, 2, 4, ['a accepted']])
  expect(scene({ maxMessages: 1, waitsForRoom: false }).add('a', 'b')).toEqual([true, false])
})

test('nothing overtakes what waits, and a message larger than all the room goes alone', () => {
  const { outbox, add } = scene()
  expect(add('12345678', '12345', '1')).toEqual([true, undefined, undefined])
  outbox.sent(1)
  outbox.acknowledge(1)
  expect([outbox.at(2), outbox.at(3)]).toEqual(['12345', '1'])
  outbox.sent(3)
  outbox.acknowledge(3)
  expect(add('x'.repeat(50), 'y')).toEqual([true, undefined])
})

test('in another session, what was sent is lost, and the rest begins at 1', () => {
  const { outbox, add, fates } = scene()
  add('a', 'b', 'c', 'd')
  outbox.sent(2)
  expect(outbox.startAnew().map(({ data }) => data)).toEqual(['a', 'b'])
  expect([fates, outbox.used, outbox.at(1), outbox.pending]).toEqual([['a lost', 'b lost'], 0, 'c', 2])
})

test('what is too large is told in order, and takes no number', () => {
  const { outbox, add, fates } = scene({ maxBytes: 100, maxMessages: 4 })
  add('a', 'much', 'b', 'c', 'more')
  outbox.sent(1)
  outbox.maxMessageBytes = 2
  outbox.rejectTooLarge()
  expect([outbox.oldest, outbox.last, outbox.at(2), outbox.at(3)]).toEqual([1, 3, 'b', 'c'])
  outbox.sent(3)
  outbox.acknowledge(3)
  expect(fates).toEqual(['much tooLarge', 'a accepted', 'b accepted', 'c accepted', 'more tooLarge'])
})

test('at the end all is lost, what waits included', () => {
  const { outbox, add, fates } = scene({ maxMessages: 1 })
  add('a', 'b')
  expect(outbox.end()).toHaveLength(2)
  expect([fates, outbox.pending]).toEqual([['a lost', 'b lost'], 0])
})
