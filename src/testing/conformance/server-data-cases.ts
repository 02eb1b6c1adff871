import { CloseCode } from '../../protocol/close-codes.ts'
import type { Payload } from '../../protocol/frame.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from '../../protocol/limits.ts'
import { expectPayloads, expectThat } from './raw-connection.ts'
import { serverCase } from './server-scene.ts'
import { serverCommands } from './server-subject.ts'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index + 1}`)

const payloads: Record<string, Payload[]> = {
  text: ['hello', 'D1,0 x', ' a , b '],
  'empty text': ['', ''],
  'astral characters': ['😀', 'a😀b𝄞', '👩‍👩‍👧'],
  'control characters': ['\u0000\r\n\u2028'],
  bytes: [bytes(0, 255, 128, 32, 44), bytes(68, 49, 44, 48, 32)],
  'no bytes': [bytes(), bytes()],
  'text and bytes by turns': ['a', bytes(1), 'b', 'c', bytes(2), bytes(3)],
}

/** Messages, acknowledgements and windows within one connection. */
export const serverDataCases = [
  ...Object.entries(payloads).map(([what, payloads]) =>
    serverCase(
      `data/${what.replaceAll(' ', '-')}`,
      `gives ${what} to its application and back, in order`,
      ['DATA-1', 'DATA-4', 'DATA-6', 'FRAME-1', 'FRAME-3'],
      async (scene) => {
        const client = await scene.attach()
        for (const payload of payloads) client.say(payload)
        expectPayloads(await client.hear(payloads.length), payloads)
        await client.acknowledged(payloads.length)
      },
    ),
  ),
  serverCase('data/batch-text', 'takes a BATCH of text', ['BATCH-1', 'BATCH-2', 'BATCH-3'], async (scene) => {
    const client = await scene.attach()
    const texts = ['a', '', '😀é€', ' , ', 'B1,0']
    client.say(...texts)
    expectPayloads(await client.hear(texts.length), texts)
    await client.acknowledged(texts.length)
  }),
  serverCase('data/batch-bytes', 'takes a BATCH of bytes', ['BATCH-1', 'BATCH-2', 'BATCH-3'], async (scene) => {
    const client = await scene.attach()
    const parts = [bytes(240, 159, 152), bytes(), bytes(32, 44), bytes(128)]
    client.say(...parts)
    expectPayloads(await client.hear(parts.length), parts)
  }),
  serverCase('data/largest-batch', 'takes a BATCH of 1,024 messages', ['BATCH-1'], async (scene) => {
    const client = await scene.attach({ window: { messages: 5_000, bytes: 1_000_000 } })
    const texts = numbered(Math.min(MAX_BATCH_MESSAGES, client.welcome.window.messages))
    client.say(...texts)
    expectPayloads(await client.hear(texts.length), texts)
  }),
  serverCase('data/small-batches', 'makes no BATCH of more than 65,536 bytes', ['BATCH-4'], async (scene) => {
    const client = await scene.attach()
    const texts = Array.from({ length: 30 }, (_, index) => String(index % 10).repeat(7_000))
    for (const text of texts) client.say(text)
    expectPayloads(await client.hear(texts.length), texts)
    expectThat(client.largestBatch <= MAX_BATCH_BYTES, `at most ${MAX_BATCH_BYTES} bytes, not ${client.largestBatch}`)
  }),
  ...[
    ['a jump', [1, 2], 4],
    ['a number for the second time', [1, 2], 2],
    ['the first number once more', [1, 2], 1],
    ['a number 0', [], 0],
    ['a first number that is not 1', [], 2],
    ['the largest number', [1], 999_999_999_999_999],
  ].map(([what, before, number]) =>
    serverCase(
      `data/${String(what).replaceAll(' ', '-')}`,
      `refuses ${String(what)}, names the expected one, and keeps the session`,
      ['DATA-1', 'DATA-3', 'NACK-1', 'CLOSE-1', 'CLOSE-2'],
      async (scene) => {
        const client = await scene.attach()
        const count = (before as number[]).length
        for (let sent = 0; sent < count; sent++) client.say('x')
        await client.hear(count)
        client.send(`D${String(number)},0 wrong`)
        const { expected } = await client.expect('nack')
        expectThat(expected === count + 1, `that ${count + 1} was expected, not ${expected}`)
        await client.closed(CloseCode.outOfOrder)
        const next = await scene.resume(client)
        expectThat(next.welcome.resumed, 'the same session')
        expectThat(next.welcome.received === count, `that ${count} were received, not ${next.welcome.received}`)
        next.say('right')
        expectPayloads((await next.hear(1)).slice(-1), ['right'])
      },
    ),
  ),
  serverCase(
    'data/after-violation',
    'takes nothing that comes behind a violation',
    ['CLOSE-1', 'FRAME-6'],
    async (scene) => {
      const client = await scene.attach()
      client.send('X')
      client.say('too late')
      await client.closed(CloseCode.protocolError)
      const next = await scene.attach({ resume: { ...client.resume, sent: 1 } })
      expectThat(next.welcome.received === 0, 'that nothing was received')
    },
  ),
  serverCase(
    'data/too-large',
    'refuses a message that is larger than it takes, and keeps the session',
    ['DATA-5', 'CLOSE-2'],
    async (scene) => {
      const client = await scene.attach()
      client.say('x'.repeat(client.welcome.maxMessageBytes + 1))
      await client.closed(CloseCode.tooLarge, 1009)
      const next = await scene.attach({ resume: { ...client.resume, sent: 1 } })
      expectThat(next.welcome.resumed && next.welcome.received === 0, 'the same session, with nothing received')
    },
  ),
  serverCase(
    'data/largest',
    'takes a message of the largest size that it takes, whatever its window',
    ['DATA-5', 'WINDOW-2', 'WINDOW-4'],
    async (scene) => {
      const client = await scene.attach({ window: { messages: 10, bytes: 10 } })
      const { maxMessageBytes } = client.welcome
      client.say('é'.repeat(maxMessageBytes))
      await client.acknowledged(1)
    },
  ),
  serverCase('window/exceeded', 'refuses more messages than its window has', ['WINDOW-4'], async (scene) => {
    const client = await scene.attach()
    const { messages } = client.welcome.window
    client.say(serverCommands.wait)
    for (let left = messages + 1; left > 0; left -= MAX_BATCH_MESSAGES)
      client.say(...Array.from({ length: Math.min(left, MAX_BATCH_MESSAGES) }, () => ''))
    await client.closed(CloseCode.tooLarge)
  }),
  serverCase('window/full', 'bears as many messages as its window has', ['WINDOW-4'], async (scene) => {
    const client = await scene.attach({ window: { messages: 100_000, bytes: 1_000_000 } })
    const { messages } = client.welcome.window
    client.say(serverCommands.wait)
    for (let left = messages - 1; left > 0; left -= MAX_BATCH_MESSAGES)
      client.say(...Array.from({ length: Math.min(left, MAX_BATCH_MESSAGES) }, () => ''))
    await client.acknowledged(messages)
  }),
  serverCase(
    'window/messages',
    'sends no more messages than the window of the client has',
    ['WINDOW-1'],
    async (scene) => {
      const client = await scene.attach({ window: { messages: 2, bytes: 1_000 } })
      for (const text of ['a', 'b', 'c', 'd']) client.say(text)
      await client.hear(2)
      await client.quiet(200, ['ack'])
      client.send('A1')
      await client.hear(3)
      await client.quiet(200, ['ack'])
      client.send('A3')
      expectPayloads(await client.hear(4), ['a', 'b', 'c', 'd'])
    },
  ),
  serverCase(
    'window/bytes',
    'sends no more bytes than the window of the client has, but one message that is larger alone',
    ['WINDOW-2'],
    async (scene) => {
      const client = await scene.attach({ window: { messages: 100, bytes: 4 } })
      for (const text of ['ab', 'cd', 'e', 'larger', 'f']) client.say(text)
      await client.hear(2)
      await client.quiet(200, ['ack'])
      client.send('A2')
      await client.hear(3)
      await client.quiet(200, ['ack'])
      client.send('A3')
      await client.hear(4)
      await client.quiet(200, ['ack'])
      client.send('A4')
      expectPayloads(await client.hear(5), ['ab', 'cd', 'e', 'larger', 'f'])
    },
  ),
  serverCase('window/none', 'sends nothing into a window of nothing', ['WINDOW-2'], async (scene) => {
    const client = await scene.attach({ window: { messages: 0, bytes: 0 } })
    client.say('a')
    await client.acknowledged(1)
    await client.quiet(200, ['ack'])
    const next = await scene.resume(client)
    expectPayloads(await next.hear(1), ['a'])
  }),
  serverCase('ack/not-sent', 'refuses an acknowledgement of what it has not sent', ['ACK-2'], async (scene) => {
    const client = await scene.attach()
    client.say('a')
    await client.hear(1)
    client.send('A2')
    await client.closed(CloseCode.protocolError)
    const other = await scene.attach()
    other.send('D1,1 x')
    await other.closed(CloseCode.protocolError)
  }),
  serverCase('ack/lower', 'ignores an acknowledgement that is lower than another before', ['ACK-1'], async (scene) => {
    const client = await scene.attach()
    client.say('a', 'b')
    await client.hear(2)
    for (const message of ['A2', 'A1', 'A0', 'A2']) client.send(message)
    client.say('c')
    await client.hear(3)
  }),
  serverCase(
    'ack/handled',
    'acknowledges a message when its application is done with it, and not before',
    ['ACKING-1', 'ACKING-2', 'WELCOME-2'],
    async (scene) => {
      const client = await scene.attach()
      client.say(serverCommands.wait, 'b')
      await client.quiet(300)
      client.cut()
      const next = await scene.resume(client)
      const { received, accepted } = next.welcome
      expectThat(received === 2, `that 2 were received, not ${received}`)
      expectThat(accepted === 0, `that none was accepted, not ${accepted}`)
      await next.acknowledged(2)
      expectPayloads(await next.hear(2), [serverCommands.wait, 'b'])
    },
  ),
]
