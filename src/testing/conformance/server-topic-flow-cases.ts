import { CloseCode } from '../../protocol/close-codes.ts'
import type { Approach, RawClient } from './raw-client.ts'
import { expectThat } from './raw-connection.ts'
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

/** Messages of topics: windows, what is not for everybody, and several connections. */
export const serverTopicFlowCases = [
  serverCase(
    'topics/volatile',
    'gives a volatile message to those who are there, in its place, and never again',
    ['VOLATILE-1', 'TOPIC-4'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room')
      const { publish, publishVolatile } = serverCommands
      for (const command of [`${publish} room a`, `${publishVolatile} room b`, `${publish} room c`])
        await scene.command([command])
      await topics.sees(id, '1 a', 'v b', '2 c')
      client.cut()
      const from = { generation, offset: 0 }
      const next = await reader(scene, { resume: client.resume, topics: [{ ref: 1, topic: 'room', from }] })
      const subbed = await next.topics.subbed(1, 'room')
      await next.topics.seesOnly(subbed.id, '1 a', '2 c')
    },
    needs,
  ),
  serverCase(
    'topics/volatile-dropped',
    'drops a volatile message for whoever has no room, and lets it overtake nothing',
    ['VOLATILE-2', 'WINDOW-5'],
    async (scene) => {
      const { topics } = await reader(scene, { window: { messages: 2, bytes: 1_000 } })
      const { id } = await topics.subscribe(1, 'room')
      const { publish, publishVolatile } = serverCommands
      await scene.command([`${publish} room a`, `${publish} room b`, `${publish} room c`])
      await scene.command([`${publishVolatile} room dropped`])
      await topics.seesOnly(id, '1 a', '2 b')
      topics.acknowledge()
      await topics.seesOnly(id, '1 a', '2 b', '3 c')
      await scene.command([`${publishVolatile} room v`])
      await topics.sees(id, '1 a', '2 b', '3 c', 'v v')
      await scene.command([`${publishVolatile} room dropped`])
      topics.acknowledge()
      await scene.command([`${publish} room d`])
      await topics.seesOnly(id, '1 a', '2 b', '3 c', 'v v', '4 d')
      const small = await reader(scene, { window: { messages: 100, bytes: 4 } })
      const hall = await small.topics.subscribe(1, 'hall')
      await scene.publish('hall', 'abc', 'de')
      // It has room, and would come before what is stored.
      await scene.command([`${publishVolatile} hall x`])
      await small.topics.seesOnly(hall.id, '1 abc')
      small.topics.acknowledge()
      await small.topics.seesOnly(hall.id, '1 abc', '2 de')
    },
    needs,
  ),
  serverCase(
    'topics/except',
    'keeps a message from the session that it is not for, at once and later',
    ['SKIP-3', 'SKIP-2', 'TOPIC-4'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const other = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room')
      const subbed = await other.topics.subscribe(1, 'room')
      const { publish, publishExcept } = serverCommands
      await scene.command(
        [`${publish} room a`, `${publishExcept} room b`, `${publishExcept} room c`, `${publish} room d`],
        client,
      )
      await other.topics.sees(subbed.id, '1 a', '2 b', '3 c', '4 d')
      await topics.sees(id, '1 a', '2-3 skip', '4 d')
      client.cut()
      const from = { generation, offset: 1 }
      const next = await reader(scene, { resume: client.resume, topics: [{ ref: 1, topic: 'room', from }] })
      await next.topics.seesOnly((await next.topics.subbed(1, 'room')).id, '2-3 skip', '4 d')
    },
    needs,
  ),
  serverCase(
    'window/topics-messages',
    'sends no more messages of topics than the window has, and the inbox beside it',
    ['WINDOW-1', 'WINDOW-5', 'ACK-4'],
    async (scene) => {
      const { client, topics } = await reader(scene, { window: { messages: 3, bytes: 1_000 } })
      const room = await topics.subscribe(1, 'room')
      const hall = await topics.subscribe(2, 'hall')
      await scene.publish('room', 'a', 'b')
      await topics.sees(room.id, '1 a', '2 b')
      await scene.publish('hall', 'c', 'd')
      await topics.seesOnly(hall.id, '1 c')
      client.say('inbox')
      await client.hear(1)
      client.send('A1,1,1')
      await topics.seesOnly(hall.id, '1 c', '2 d')
      await scene.publish('room', 'e')
      await topics.seesOnly(room.id, '1 a', '2 b')
      // Lower ones are ignored.
      client.send('A1,0,0')
      await topics.seesOnly(room.id, '1 a', '2 b')
      topics.acknowledge()
      await topics.sees(room.id, '1 a', '2 b', '3 e')
    },
    needs,
  ),
  serverCase(
    'window/topics-bytes',
    'sends no more bytes of topics than the window has, but one message that is larger alone',
    ['WINDOW-2', 'WINDOW-5'],
    async (scene) => {
      const { topics } = await reader(scene, { window: { messages: 100, bytes: 4 } })
      const { id } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'ab', 'cd', 'e', 'larger', 'f')
      const expected = ['1 ab', '2 cd', '3 e', '4 larger', '5 f']
      for (const count of [2, 3, 4]) {
        await topics.seesOnly(id, ...expected.slice(0, count))
        topics.acknowledge()
      }
      await topics.sees(id, ...expected)
    },
    needs,
  ),
  serverCase(
    'window/topics-none',
    'sends nothing of topics into a window of nothing',
    ['WINDOW-2', 'WINDOW-5'],
    async (scene) => {
      for (const window of [
        { messages: 0, bytes: 1_000 },
        { messages: 10, bytes: 0 },
      ]) {
        const { topics } = await reader(scene, { window })
        const { id } = await topics.subscribe(1, 'room')
        await scene.publish('room', 'a')
        await scene.command([`${serverCommands.publishVolatile} room v`])
        await topics.seesOnly(id)
      }
    },
    needs,
  ),
  serverCase(
    'window/topics-skip',
    'counts what is skipped as one message without bytes',
    ['ACK-4', 'SKIP-3', 'WINDOW-5'],
    async (scene) => {
      const { client, topics } = await reader(scene, { window: { messages: 1, bytes: 1_000 } })
      const { id } = await topics.subscribe(1, 'room')
      await scene.command([`${serverCommands.publishExcept} room a`], client)
      await topics.sees(id, '1-1 skip')
      await scene.publish('room', 'b')
      await topics.seesOnly(id, '1-1 skip')
      client.send('A1,1,0')
      await topics.sees(id, '1-1 skip', '2 b')
    },
    needs,
  ),
  serverCase(
    'window/topics-behind',
    'holds nothing for who is slow: names what is gone, and counts that and what is skipped as one message without bytes',
    ['WINDOW-6', 'GAP-6', 'ACK-4', 'SKIP-3'],
    async (scene, { topics: limits }) => {
      const { keptMessages } = limits!
      const { client, topics } = await reader(scene, { window: { messages: 1, bytes: 1_000 } })
      const { id } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'first')
      await topics.sees(id, '1 first')
      await scene.publish('room', ...Array.from({ length: keptMessages + 4 }, () => 'x'))
      await scene.command([`${serverCommands.publishExcept} room x`], client)
      topics.acknowledge()
      await topics.seesOnly(id, '1 first', '2-6 overflow')
      client.send(`A${client.received},2,5`)
      await topics.seesOnly(id, '1 first', '2-6 overflow', '7 x')
    },
    { ...needs, timeoutMs: 30_000 },
  ),
  serverCase(
    'ack/of-topics-not-sent',
    'refuses an acknowledgement of more of topics than it has sent',
    ['ACK-5', 'CLOSE-2'],
    async (scene) => {
      const none = await scene.attach()
      none.send('A0,0,0')
      none.say('a')
      await none.hear(1)
      none.send('A1,1,0')
      await none.closed(CloseCode.protocolError)
      for (const counts of ['3,0', '2,4', '0,4', '999999999999999,0']) {
        const { client, topics } = await reader(scene)
        const { id } = await topics.subscribe(1, 'room', { last: 0 })
        await scene.publish('room', 'a', 'bc')
        await client.until('both', () => (topics.seen(id).length === 2 ? true : undefined))
        client.send(`A0,2,3`)
        client.send(`A0,${counts}`)
        await client.closed(CloseCode.protocolError)
        expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
      }
    },
    needs,
  ),
  serverCase(
    'resume/topics',
    'goes on behind the position that HELLO names, in this session and in another one',
    ['HELLO-7', 'RESUME-8', 'RESUME-11', 'SUBBED-2'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { id, generation } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'a', 'b')
      await topics.sees(id, '1 a', '2 b')
      client.cut()
      await scene.publish('room', 'c')
      const hello = { topics: [{ ref: 1, topic: 'room', from: { generation, offset: 1 } }] }
      for (const approach of [
        { ...hello, resume: client.resume },
        hello,
        { ...hello, inUpgrade: false },
      ] satisfies Approach[]) {
        const next = await reader(scene, approach)
        const subbed = await next.topics.subbed(1, 'room')
        expectThat(subbed.offset === 1 && subbed.last === 3, 'the offset 1 of 3')
        await next.topics.seesOnly(subbed.id, '2 b', '3 c')
      }
    },
    needs,
  ),
  serverCase(
    'resume/topics-not-asked-for',
    'sends nothing of a topic that the client has not asked for on this connection',
    ['RESUME-8'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      const { generation } = await topics.subscribe(1, 'room')
      client.cut()
      const next = await reader(scene, { resume: client.resume })
      await scene.publish('room', 'a')
      await next.client.quiet(300, ['ack'])
      const { id } = await next.topics.subscribe(1, 'room', { generation, offset: 0 })
      await next.topics.seesOnly(id, '1 a')
    },
    needs,
  ),
  serverCase(
    'resume/topics-window',
    'begins with an empty window of topics on each connection',
    ['WINDOW-5', 'ACK-5'],
    async (scene) => {
      const window = { messages: 2, bytes: 1_000 }
      const { client, topics } = await reader(scene, { window })
      const { id, generation } = await topics.subscribe(1, 'room')
      await scene.publish('room', 'a', 'b', 'c')
      await topics.seesOnly(id, '1 a', '2 b')
      client.cut()
      const from = { generation, offset: 2 }
      const hello = { window, resume: client.resume, topics: [{ ref: 1, topic: 'room', from }] }
      const next = await reader(scene, hello)
      const subbed = await next.topics.subbed(1, 'room')
      await scene.publish('room', 'd', 'e')
      await next.topics.seesOnly(subbed.id, '3 c', '4 d')
      // What the connection before has carried does not count here.
      next.client.send('A0,3,3')
      await next.client.closed(CloseCode.protocolError)
    },
    needs,
  ),
  serverCase(
    'resume/topics-of-the-server',
    'goes on by itself with what the server has made: behind the position in HELLO, or behind what is done',
    ['RESUME-9', 'HELLO-7'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      await scene.command([`${serverCommands.subscribe} room`], client)
      const { id, generation } = await topics.subbed(0, 'room')
      await scene.publish('room', 'a', 'b')
      await topics.sees(id, '1 a', '2 b')
      client.cut()
      await scene.publish('room', 'c')
      const from = { generation, offset: 1 }
      const told = await reader(scene, { resume: client.resume, topics: [{ ref: 0, topic: 'room', from }] })
      await told.topics.sees((await told.topics.subbed(0, 'room')).id, '2 b', '3 c')
      told.client.cut()
      // It is not known to be done with any of these.
      const untold = await reader(scene, { resume: told.client.resume })
      const subbed = await untold.topics.subbed(0, 'room')
      expectThat(subbed.offset <= 1, `an offset of 1 at most, not ${subbed.offset}`)
      const all = ['1 a', '2 b', '3 c'].slice(subbed.offset)
      await untold.topics.sees(subbed.id, ...all)
      untold.topics.acknowledge()
      untold.client.say('after the acknowledgement')
      await untold.client.hear(1)
      untold.client.cut()
      await scene.publish('room', 'd')
      const last = await reader(scene, { resume: untold.client.resume })
      const { id: lastId, offset } = await last.topics.subbed(0, 'room')
      expectThat(offset <= 3, `an offset of 3 at most, not ${offset}`)
      await last.topics.sees(lastId, ...['1 a', '2 b', '3 c', '4 d'].slice(offset))
    },
    needs,
  ),
  serverCase(
    'resume/topics-ended',
    'tells a client that comes back that what the server had made is over',
    ['RESUME-10', 'UNSUB-5'],
    async (scene) => {
      const { client, topics } = await reader(scene)
      await scene.command([`${serverCommands.subscribe} room`], client)
      const { generation } = await topics.subbed(0, 'room')
      client.cut()
      await scene.command([`${serverCommands.unsubscribe} room`])
      const from = { generation, offset: 0 }
      const next = await reader(scene, { resume: client.resume, topics: [{ ref: 0, topic: 'room', from }] })
      await next.topics.ended(0, 'room', 'unsubscribed')
      await scene.publish('room', 'a')
      await next.client.quiet(200, ['ack'])
    },
    needs,
  ),
]
