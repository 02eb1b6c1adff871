import { CloseCode } from '../../protocol/close-codes.ts'
import { encodeUnsub } from '../../protocol/encode.ts'
import { MAX_BATCH_BYTES, MAX_TOPIC_NAME } from '../../protocol/limits.ts'
import type { Approach, RawClient } from './raw-client.ts'
import { expectThat, pause } from './raw-connection.ts'
import { RawTopics } from './raw-topics.ts'
import { serverCase, type ServerScene } from './server-scene.ts'
import { serverCommands } from './server-subject.ts'

interface Reader {
  readonly client: RawClient
  readonly topics: RawTopics
}

const needs = { needs: ['topics'] } as const

async function reader(scene: ServerScene, approach: Approach = {}): Promise<Reader> {
  const client = await scene.attach(approach)
  return { client, topics: new RawTopics(client) }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1))

/** Subscriptions: who gets one, where it begins, and when it ends. */
export const serverTopicCases = [
  serverCase(
    'topics/now',
    'gives what is published from now on, and tells a position for a topic without messages',
    ['SUB-2', 'SUB-3', 'SUBBED-1', 'TOPIC-4', 'TDATA-1'],
    async (scene) => {
      const { topics } = await reader(scene)
      const { id, offset, last } = await topics.subscribe(1, 'room')
      expectThat(offset === 0 && last === 0, 'the position of an empty topic')
      await scene.publish('room', 'a', 'b')
      await scene.publish('other', 'x')
      await topics.seesOnly(id, '1 a', '2 b')
      const later = await reader(scene)
      const subbed = await later.topics.subscribe(1, 'room')
      expectThat(subbed.offset === 2 && subbed.last === 2, 'the position behind two messages')
      expectThat(subbed.generation !== '', 'a generation')
      await scene.publish('room', 'c')
      await later.topics.sees(subbed.id, '3 c')
      await topics.sees(id, '1 a', '2 b', '3 c')
    },
    needs,
  ),
  serverCase(
    'topics/from',
    'begins where it is asked to: first, last, or behind a position',
    ['SUB-3', 'SUB-4', 'SUBBED-2', 'SUBBED-3'],
    async (scene) => {
      await scene.publish('room', 'a', 'b', 'c')
      const { topics } = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room', 'first')
      await topics.sees(id, '1 a', '2 b', '3 c')
      const places = [
        [{ last: 2 }, ['2 b', '3 c']],
        [{ last: 0 }, []],
        [{ last: 99 }, ['1 a', '2 b', '3 c']],
        [{ generation, offset: 0 }, ['1 a', '2 b', '3 c']],
        [{ generation, offset: 2 }, ['3 c']],
        [{ generation, offset: 3 }, []],
        [{ generation: `${generation}x`, offset: 77 }, ['1 a', '2 b', '3 c']],
      ] as const
      for (const [from, expected] of places) {
        const other = await reader(scene)
        const subbed = await other.topics.subscribe(1, 'room', from)
        expectThat(subbed.offset === 3 - expected.length && subbed.last === 3, `the offset ${3 - expected.length} of 3`)
        expectThat(subbed.generation === generation, 'the same generation')
        await other.topics.seesOnly(subbed.id, ...expected)
      }
    },
    needs,
  ),
  serverCase(
    'topics/impossible-position',
    'refuses a position beyond the end',
    ['SUB-5', 'UNSUB-5'],
    async (scene) => {
      await scene.publish('room', 'a')
      const { client, topics } = await reader(scene)
      const { generation } = await topics.subscribe(1, 'room')
      client.send(encodeUnsub({ ref: 1 }))
      topics.ask(2, 'room', { generation, offset: 2 })
      await topics.ended(2, 'room', 'position')
      await scene.publish('room', 'b')
      const { id } = await topics.subscribe(3, 'room', { generation, offset: 2 })
      await topics.seesOnly(id)
    },
    needs,
  ),
  serverCase(
    'topics/trimmed',
    'names what it no longer keeps, and goes on behind it',
    ['SUB-3', 'GAP-6', 'WINDOW-6'],
    async (scene, { topics: limits }) => {
      const { keptMessages } = limits!
      const count = keptMessages + 10
      const texts = numbered(count)
      await scene.publish('room', ...texts)
      const { topics } = await reader(scene, { window: { messages: 3_000, bytes: 1_000_000 } })
      const kept = texts.slice(10).map((text) => `${text} ${text}`)
      const { id, generation, offset } = await topics.subscribe(1, 'room', 'first')
      expectThat(offset === 10, `a beginning behind 10, not ${offset}`)
      await topics.sees(id, ...kept)
      const other = await reader(scene, { window: { messages: 3_000, bytes: 1_000_000 } })
      const subbed = await other.topics.subscribe(1, 'room', { generation, offset: 4 })
      await other.topics.sees(subbed.id, '5-10 overflow', ...kept)
    },
    { ...needs, timeoutMs: 30_000 },
  ),
  serverCase(
    'topics/payloads',
    'gives text and bytes to all, under the same offsets and in the same order',
    ['TOPIC-4', 'TDATA-1', 'TDATA-5', 'FRAME-3'],
    async (scene) => {
      const readers = [await reader(scene), await reader(scene)]
      const ids = []
      for (const { topics } of readers) ids.push((await topics.subscribe(1, 'room')).id)
      const { publish, publishBytes } = serverCommands
      await scene.command([
        `${publish} room a 😀 , é`,
        `${publish} room `,
        `${publishBytes} room b`,
        `${publishBytes} room c`,
        `${publish} room T1,1 x`,
      ])
      const expected = ['1 a 😀 , é', '2 ', '3 (bytes) b', '4 (bytes) c', '5 T1,1 x']
      for (const [index, { topics }] of readers.entries()) await topics.seesOnly(ids[index]!, ...expected)
      const late = await reader(scene)
      await late.topics.sees((await late.topics.subscribe(9, 'room', 'first')).id, ...expected)
    },
    needs,
  ),
  serverCase(
    'topics/small-batches',
    'sends no more than 65,536 bytes at once, but in one message',
    ['TDATA-1'],
    async (scene) => {
      const texts = numbered(12).map((text) => text.padStart(7_000, '.'))
      const { topics } = await reader(scene)
      const { id } = await topics.subscribe(1, 'room')
      await scene.publish('room', ...texts)
      const late = await reader(scene)
      const subbed = await late.topics.subscribe(1, 'room', 'first')
      const expected = texts.map((text, index) => `${index + 1} ${text.slice(0, 160)}… (7000)`)
      await topics.sees(id, ...expected)
      await late.topics.sees(subbed.id, ...expected)
      const largest = Math.max(topics.largestBatch, late.topics.largestBatch)
      expectThat(largest <= MAX_BATCH_BYTES, `at most ${MAX_BATCH_BYTES} bytes, not ${largest}`)
    },
    needs,
  ),
  serverCase(
    'topics/names',
    'tells names apart by each code unit, and takes the longest',
    ['TOPIC-2', 'SUBBED-2'],
    async (scene) => {
      const { topics } = await reader(scene)
      const names = [
        'room',
        'Room',
        'room/',
        '\u00e9',
        'e\u0301',
        '😀',
        'constructor',
        '__proto__',
        'x'.repeat(MAX_TOPIC_NAME),
      ]
      const ids = []
      for (const [index, name] of names.entries()) ids.push((await topics.subscribe(index + 1, name)).id)
      expectThat(new Set(ids).size === names.length, 'an id for each')
      for (const [index, name] of names.entries()) await scene.publish(name, `for ${index}`)
      for (const [index, id] of ids.entries()) await topics.sees(id, `1 for ${index}`)
    },
    needs,
  ),
  serverCase(
    'topics/names-of-the-server',
    'gives nobody a topic that is the server’s own',
    ['TOPIC-3', 'SUB-2'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      for (const [index, name] of ['$', '$room', '$subject:alice', '$sessions:'].entries()) {
        topics.ask(index + 1, name, 'first')
        await topics.ended(index + 1, name, 'unauthorized')
      }
      client.say('still there')
      await client.hear(1)
    },
    needs,
  ),
  serverCase(
    'topics/denied',
    'refuses who may not have a topic, and gives nothing of it',
    ['TOPIC-5', 'SUB-2', 'UNSUB-5'],
    async (scene) => {
      await scene.publish('denied', 'secret')
      const { client, topics } = await reader(scene, { topics: [{ ref: 1, topic: 'denied', from: 'first' }] })
      await topics.ended(1, 'denied', 'unauthorized')
      topics.ask(2, 'denied', 'first')
      await topics.ended(2, 'denied', 'unauthorized')
      await scene.publish('denied', 'secret')
      await client.quiet(200, ['ack'])
    },
    needs,
  ),
  serverCase(
    'topics/unsure',
    'closes the connection if it cannot tell who may have a topic, and keeps the session',
    ['TOPIC-5', 'CLOSE-2'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      topics.ask(1, 'unsure')
      await client.closed(CloseCode.tryLater)
      expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
      const next = await scene.open({ topics: [{ ref: 1, topic: 'unsure', from: 'now' }] })
      await next.closed(CloseCode.tryLater)
    },
    needs,
  ),
  serverCase(
    'topics/authorized-anew',
    'decides anew at each connection',
    ['TOPIC-5', 'RESUME-8', 'HELLO-7'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room')
      await scene.command([`${serverCommands.forbid} room`], client)
      await scene.publish('room', 'a')
      await topics.sees(id, '1 a')
      client.cut()
      const from = { generation, offset: 1 }
      const next = await reader(scene, { resume: client.resume, topics: [{ ref: 1, topic: 'room', from }] })
      expectThat(next.client.welcome.resumed, 'the same session')
      await next.topics.ended(1, 'room', 'unauthorized')
      await scene.publish('room', 'b')
      await next.client.quiet(200, ['ack'])
    },
    needs,
  ),
  serverCase(
    'topics/revoked',
    'ends a subscription that the client may no longer have, and one that its application ends',
    ['UNSUB-5', 'TOPIC-5'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const room = await topics.subscribe(1, 'room')
      const hall = await topics.subscribe(2, 'hall')
      await scene.command([`${serverCommands.revoke} room`], client)
      await topics.ended(1, 'room', 'unauthorized')
      await scene.publish('room', 'a')
      await scene.publish('hall', 'b')
      await topics.sees(hall.id, '1 b')
      await scene.command([`${serverCommands.unsubscribe} hall`])
      await topics.ended(2, 'hall', 'unsubscribed')
      await scene.publish('hall', 'c')
      await topics.seesOnly(hall.id, '1 b')
      await topics.seesOnly(room.id)
      await topics.subscribe(3, 'hall')
      topics.ask(4, 'room')
      await topics.ended(4, 'room', 'unauthorized')
    },
    needs,
  ),
  serverCase(
    'topics/unsub',
    'sends nothing more of a topic that the client has ended, and answers nothing',
    ['UNSUB-1', 'UNSUB-4'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { id } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'a')
      await topics.sees(id, '1 a')
      for (const unsub of [{ ref: 7 }, { ref: 1 }, { ref: 1 }, { ref: 1, pause: true }, { ref: 0, topic: 'room' }])
        client.send(encodeUnsub(unsub))
      await scene.publish('room', 'b')
      await client.quiet(250, ['ack'])
      await topics.sees(id, '1 a')
      const again = await topics.subscribe(2, 'room')
      expectThat(again.offset === 2, `the offset 2, not ${again.offset}`)
    },
    needs,
  ),
  serverCase(
    'topics/unsub-before-answer',
    'does not answer what the client has ended before',
    ['SUB-2', 'UNSUB-1'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      topics.ask(1, 'slow')
      client.send(encodeUnsub({ ref: 1 }))
      topics.ask(2, 'slow', 'first')
      const { id } = await topics.subbed(2, 'slow')
      await scene.publish('slow', 'a')
      await topics.seesOnly(id, '1 a')
      expectThat(
        !client.frames.some((frame) => frame.type === 'subbed' && frame.body.ref === 1),
        'no answer to the first',
      )
    },
    needs,
  ),
  serverCase(
    'topics/any-order',
    'answers each SUB once, and lets none wait for another',
    ['SUB-2'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      topics.ask(1, 'slow/1')
      topics.ask(2, 'denied')
      topics.ask(3, 'room')
      await topics.ended(2, 'denied', 'unauthorized')
      await topics.subbed(3, 'room')
      await topics.subbed(1, 'slow/1')
      await client.quiet(400, ['ack'])
    },
    needs,
  ),
  serverCase(
    'topics/pause',
    'sends nothing of a paused subscription, and goes on from where it is asked to',
    ['UNSUB-2', 'SUB-6'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'a', 'b')
      await topics.sees(id, '1 a', '2 b')
      client.send(encodeUnsub({ ref: 1, pause: true }))
      await scene.publish('room', 'c')
      await topics.seesOnly(id, '1 a', '2 b')
      const { offset, last } = await topics.subscribe(1, 'room', { generation, offset: 1 })
      expectThat(offset === 1 && last === 3, 'the offset 1 of 3')
      await topics.sees(id, '1 a', '2 b', '2 b', '3 c')
      await topics.subscribe(1, 'room', { generation, offset: 2 })
      await topics.seesOnly(id, '1 a', '2 b', '2 b', '3 c', '3 c')
    },
    needs,
  ),
  serverCase(
    'topics/replaced',
    'has one subscription of a session to a topic, and tells the one before that it is over',
    ['TOPIC-6', 'UNSUB-4'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      await topics.subscribe(1, 'room')
      topics.ask(2, 'room', 'first')
      await topics.ended(1, 'room', 'replaced')
      const { id } = await topics.subbed(2, 'room')
      // Too late, and about the one before.
      client.send(encodeUnsub({ ref: 1 }))
      await scene.publish('room', 'a')
      await topics.seesOnly(id, '1 a')
    },
    needs,
  ),
  serverCase(
    'topics/limit',
    'refuses more subscriptions than a session may have, those without an answer included',
    ['TOPIC-8'],
    async (scene, { topics: limits }) => {
      const { maxSubscriptions } = limits!
      const { client, topics } = await reader(scene)
      for (let ref = 1; ref < maxSubscriptions; ref++) topics.ask(ref, `room ${ref}`)
      await client.until('an answer to each', () =>
        client.frames.filter(({ type }) => type === 'subbed').length === maxSubscriptions - 1 ? true : undefined,
      )
      topics.ask(1_001, 'slow')
      topics.ask(1_002, 'one too many')
      await client.until('a refusal', () =>
        client.frames.find(
          ({ type, ...frame }) => type === 'unsub' && 'body' in frame && (frame.body as { ref: number }).ref === 1_002,
        ),
      )
      client.send(encodeUnsub({ ref: 1 }))
      await client.until('an answer', () =>
        client.frames.find((frame) => frame.type === 'subbed' && frame.body.ref === 1_001),
      )
      // What it has it may ask for again, and what it has given back makes room.
      topics.ask(2, 'room 2', 'first')
      topics.ask(1_003, 'room 1')
      await client.until(
        'an answer to both',
        () =>
          [2, 1_003].every(
            (ref) =>
              client.frames.filter((frame) => frame.type === 'subbed' && frame.body.ref === ref).length ===
              (ref === 2 ? 2 : 1),
          ) || undefined,
      )
    },
    { ...needs, timeoutMs: 30_000 },
  ),
  serverCase(
    'topics/of-the-server',
    'subscribes a session by itself, lets the client pause that, and not end it',
    ['SUB-7', 'UNSUB-2', 'UNSUB-4', 'UNSUB-5'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      // There is none.
      topics.ask(0, 'room', { generation: 'x', offset: 0 })
      await scene.publish('room', 'before')
      await client.quiet(200, ['ack'])
      await scene.command([`${serverCommands.subscribe} room`], client)
      const { id, generation, offset } = await topics.subbed(0, 'room')
      expectThat(offset === 1, `the offset 1, not ${offset}`)
      client.send(encodeUnsub({ ref: 0, topic: 'room' }))
      await scene.publish('room', 'a')
      await topics.sees(id, '2 a')
      client.send(encodeUnsub({ ref: 0, topic: 'room', pause: true }))
      await scene.publish('room', 'b')
      await topics.seesOnly(id, '2 a')
      topics.ask(0, 'room', { generation, offset: 2 })
      await topics.subbed(0, 'room')
      await topics.seesOnly(id, '2 a', '3 b')
      await scene.command([`${serverCommands.unsubscribe} room`])
      await topics.ended(0, 'room', 'unsubscribed')
    },
    needs,
  ),
  serverCase(
    'topics/of-a-denied-name',
    'may subscribe a session to what its client may not ask for',
    ['SUB-7', 'TOPIC-5'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      await scene.command([`${serverCommands.subscribe} denied`], client)
      const { id } = await topics.subbed(0, 'denied')
      topics.ask(1, 'denied', 'first')
      await topics.ended(1, 'denied', 'unauthorized')
      await scene.publish('denied', 'a')
      await topics.seesOnly(id, '1 a')
    },
    needs,
  ),
  serverCase(
    'topics/answer-for-another-connection',
    'answers nothing that was asked over a connection that has been displaced',
    ['SUB-2', 'ATTACH-3', 'RESUME-8'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      topics.ask(1, 'slow')
      await pause(50)
      const next = await reader(scene, { resume: client.resume })
      await next.client.quiet(500, ['ack'])
      await scene.publish('slow', 'a')
      await next.client.quiet(200, ['ack'])
      const { id } = await next.topics.subscribe(1, 'slow', 'first')
      await next.topics.seesOnly(id, '1 a')
    },
    needs,
  ),
]
