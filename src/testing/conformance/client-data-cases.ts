import { CloseCode } from '../../protocol/close-codes.ts'
import type { Payload } from '../../protocol/frame.ts'
import { MAX_BATCH_BYTES } from '../../protocol/limits.ts'
import { clientCase } from './client-scene.ts'
import { expectPayloads, expectThat } from './raw-connection.ts'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)
const kinds: Payload[] = ['text', '', '😀é€', ' D1,0 ', bytes(0, 255, 32), bytes(), 'text again']

/** Messages, acknowledgements, windows and gaps within one connection. */
export const clientDataCases = [
  clientCase(
    'data/sends',
    'sends its messages in order, numbered from 1',
    ['DATA-1', 'DATA-6', 'NUMBER-1', 'BATCH-2', 'FRAME-3'],
    async (scene) => {
      const peer = await scene.attach()
      scene.send(...kinds)
      expectPayloads(await peer.hear(kinds.length), kinds)
      scene.send('later')
      expectPayloads((await peer.hear(kinds.length + 1)).slice(-1), ['later'])
    },
  ),
  clientCase('data/small-batches', 'makes no BATCH of more than 65,536 bytes', ['BATCH-4'], async (scene) => {
    const peer = await scene.attach()
    const texts = Array.from({ length: 30 }, (_, index) => String(index % 10).repeat(7_000))
    scene.send(...texts)
    expectPayloads(await peer.hear(texts.length), texts)
    expectThat(peer.largestBatch <= MAX_BATCH_BYTES, `at most ${MAX_BATCH_BYTES} bytes, not ${peer.largestBatch}`)
  }),
  clientCase(
    'data/hands-over',
    'hands over what comes in DATA and BATCH, once and in order',
    ['DATA-4', 'DATA-6', 'BATCH-3', 'FRAME-3'],
    async (scene) => {
      const peer = await scene.attach()
      for (const kind of kinds) peer.say(kind)
      peer.say('a', '', '😀')
      peer.say(bytes(1), bytes(), bytes(2, 3))
      await scene.hasTold(...kinds, 'a', '', '😀', bytes(1), bytes(), bytes(2, 3))
      await peer.acknowledged(kinds.length + 6)
    },
  ),
  clientCase('ack/settles', 'a send is done when it is acknowledged, not before', ['ACK-1', 'ACK-3'], async (scene) => {
    const peer = await scene.attach()
    const sent = scene.send('a', 'b', 'c')
    await peer.hear(3)
    await peer.quiet(200)
    expectThat(sent.acknowledged === 0, 'that nothing is acknowledged')
    peer.send('A2')
    await scene.eventually('that two are acknowledged', () => sent.acknowledged === 2)
    peer.send('A1')
    peer.send('D1,3 x')
    await scene.eventually('that three are acknowledged', () => sent.acknowledged === 3)
  }),
  clientCase('ack/not-sent', 'refuses an acknowledgement of what it has not sent', ['ACK-2'], async (scene) => {
    const peer = await scene.attach()
    scene.send('a')
    await peer.hear(1)
    peer.send('A2')
    await peer.closed(CloseCode.protocolError)
  }),
  clientCase(
    'ack/handled',
    'acknowledges a message when its application is done with it, and soon then',
    ['ACKING-1', 'ACKING-3'],
    async (scene) => {
      const peer = await scene.attach()
      scene.holds = true
      peer.say('a', 'b')
      await scene.hasTold('a')
      await peer.quiet(300)
      expectThat(peer.acked === 0, 'that nothing is acknowledged')
      scene.release()
      await peer.until('an acknowledgement of 2', () => (peer.acked === 2 ? true : undefined), 1_000)
    },
  ),
  ...(
    [
      ['a jump', 4],
      ['a number for the second time', 2],
      ['a number 0', 0],
    ] as const
  ).map(([what, number]) =>
    clientCase(
      `data/${what.replaceAll(' ', '-')}`,
      `refuses ${what}, takes nothing of it, and comes back`,
      ['DATA-1', 'DATA-3', 'CLOSE-1'],
      async (scene) => {
        const peer = await scene.attach()
        peer.say('a', 'b')
        await peer.acknowledged(2)
        peer.send(`D${number},0 wrong`)
        await peer.closed(CloseCode.outOfOrder)
        const { resume } = await scene.comeback()
        expectThat(resume.position.offset === 2, `the offset 2, not ${resume.position.offset}`)
        await scene.hasTold('a', 'b')
      },
    ),
  ),
  clientCase(
    'ack/failed',
    'does not acknowledge what its application could not handle, and hands it over again',
    ['ACKING-4', 'DATA-4'],
    async (scene) => {
      const peer = await scene.attach()
      scene.failures = 1
      peer.say('a', 'b')
      await scene.hasTold('a')
      await peer.quiet(100)
      expectThat(peer.acked === 0, 'that nothing is acknowledged')
      await scene.eventually('that the message is handed over again', () => scene.told.length > 1, 10_000)
      await scene.hasTold('a', 'a', 'b')
      await peer.acknowledged(2)
    },
    { timeoutMs: 30_000 },
  ),
  clientCase('nack/changes-nothing', 'goes on after NACK', ['NACK-2'], async (scene) => {
    const peer = await scene.attach()
    peer.send('N7')
    scene.send('a')
    await peer.hear(1)
  }),
  clientCase(
    'window/messages',
    'sends no more messages than the window of the server has',
    ['WINDOW-1'],
    async (scene) => {
      const peer = await scene.attach({ window: { messages: 2, bytes: 1_000 } })
      scene.send('a', 'b', 'c', 'd')
      await peer.hear(2)
      await peer.quiet(200)
      peer.send('A1')
      await peer.hear(3)
      await peer.quiet(200)
      peer.send('A3')
      expectPayloads(await peer.hear(4), ['a', 'b', 'c', 'd'])
    },
  ),
  clientCase(
    'window/bytes',
    'sends no more bytes than the window of the server has, but one message that is larger alone',
    ['WINDOW-2'],
    async (scene) => {
      const peer = await scene.attach({ window: { messages: 100, bytes: 4 } })
      scene.send('ab', 'cd', 'e', 'larger', 'f')
      await peer.hear(2)
      await peer.quiet(200)
      peer.send('A2')
      await peer.hear(3)
      await peer.quiet(200)
      peer.send('A3')
      await peer.hear(4)
      await peer.quiet(200)
      peer.send('A4')
      expectPayloads(await peer.hear(5), ['ab', 'cd', 'e', 'larger', 'f'])
    },
  ),
  clientCase(
    'gap/in-place',
    'tells a gap in its place, and acknowledges it',
    ['GAP-2', 'GAP-3', 'GAP-5'],
    async (scene) => {
      const peer = await scene.attach()
      scene.holds = true
      peer.say('a')
      peer.send('G {"from":2,"to":5,"reason":"overflow"}')
      peer.send('D6,0 f')
      peer.send('G {"from":7,"to":7,"reason":"something-new"}')
      await scene.hasTold('a')
      await peer.quiet(200)
      scene.release()
      const first = { from: 2, to: 5, reason: 'overflow' }
      await scene.hasTold('a', first, 'f', { from: 7, to: 7, reason: 'something-new' })
      await peer.until('an acknowledgement of 7', () => (peer.acked === 7 ? true : undefined))
    },
  ),
  ...[
    ['begins-late', 'G {"from":3,"to":5,"reason":"overflow"}'],
    ['begins-early', 'G {"from":1,"to":5,"reason":"overflow"}'],
    ['is-empty', 'G {"from":2,"to":1,"reason":"overflow"}'],
  ].map(([what, message]) =>
    clientCase(`gap/${what!}`, `refuses ${message!} behind 1`, ['GAP-1'], async (scene) => {
      const peer = await scene.attach()
      peer.say('a')
      peer.send(message!)
      await peer.closed(CloseCode.outOfOrder)
      await scene.hasTold('a')
    }),
  ),
]
