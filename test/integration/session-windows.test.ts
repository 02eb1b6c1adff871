import { describe, expect } from 'vitest'
import { test } from './session-scene.ts'
import { virtualTime } from './virtual-time.ts'

/** Many times what may be on its way: a quarter of a megabyte, or 4,096 messages. */
const CASES = [
  ['small', 20_000, 10],
  ['large', 400, 20_000],
  ['larger than the window', 10, 600_000],
] as const

describe.each(CASES)('many messages that are %s', (_, count, length) => {
  const texts = Array.from({ length: count }, (_, index) => `${index + 1} `.padEnd(length, 'x'))

  test('flow to a client without waiting for any timer', async ({ scene }) => {
    await virtualTime(scene)
    const { client, served } = await scene.pair(({ url }) => url)
    for (let number = 0; number < count; number++) {
      // Not more than the inbox holds.
      const sent = served.session.send(texts[number]!)
      if (number % 100 === 99) await sent
    }
    await scene.journal.until('the last message', () => client.messages.length === count)
    expect(client.texts).toEqual(texts)
    expect(client.gaps).toEqual([])
  })

  test('flow to a server without waiting for any timer', async ({ scene }) => {
    await virtualTime(scene)
    const outbox = { maxMessages: count, maxBytes: Infinity }
    const { client, served } = await scene.pair(({ url }) => url, {}, { outbox })
    await Promise.all(texts.map((text) => client.session.send(text)))
    expect(served.texts).toEqual(texts)
  })
})
