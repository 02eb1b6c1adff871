import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { CloseCode } from '../../protocol/close-codes.ts'
import type { From, Sub } from '../../protocol/frame.ts'
import { MAX_HELLO_ENTRY } from '../../protocol/limits.ts'
import { clientCase, type ClientScene } from './client-scene.ts'
import { expectThat, pause } from './raw-connection.ts'
import type { RawPeer } from './raw-server.ts'

const needs = { needs: ['topics'] } as const

/** What the client says it has done with: messages and bytes of topics. */
async function acknowledged(peer: RawPeer, messages: number, bytes: number): Promise<void> {
  const what = `an acknowledgement of ${messages} messages and ${bytes} bytes of topics`
  await peer.until(what, () => {
    const last = [...peer.frames].reverse().find((frame) => frame.type === 'ack' && frame.messages !== undefined)
    if (last?.type !== 'ack') return
    const { messages: actual, bytes: actualBytes } = last
    expectThat(actual! <= messages && actualBytes! <= bytes, `${what}, not ${actual}, ${actualBytes}`)
    return actual === messages && actualBytes === bytes ? true : undefined
  })
}

/** What the client has asked for on a connection, in HELLO and behind WELCOME, as soon as it is so much. */
async function asked(scene: ClientScene, peer: RawPeer, topics: readonly Sub[], count: number): Promise<Sub[]> {
  const all = (): Sub[] => [...topics, ...peer.frames.flatMap((frame) => (frame.type === 'sub' ? [frame.body] : []))]
  await scene.eventually(`${count} subscriptions`, () => all().length >= count)
  return all()
}

const position = (offset: number, generation = 'x'): From => ({ generation, offset })

/** Topics, as far as a server can find out. */
export const clientTopicCases = [
  clientCase(
    'topics/asks',
    'asks for a topic from the place that its application wants, under a number that it has not used before',
    ['SUB-1', 'TOPIC-2'],
    async (scene) => {
      const peer = await scene.attach()
      const refs = new Set<number>()
      const places: From[] = ['now', 'first', { last: 3 }, position(41)]
      for (const [index, from] of places.entries()) {
        const { told, sub } = await scene.subscribed(peer, `room ${index} é😀`, { offset: 41 }, from)
        expectThat(isDeepStrictEqual(sub.from, from), `from ${JSON.stringify(from)}, not ${JSON.stringify(sub.from)}`)
        refs.add(sub.ref)
        if (index % 2) {
          told.unsubscribe()
          await peer.expect('unsub')
        }
      }
      refs.add((await scene.subscribed(peer, 'room 1 é😀')).sub.ref)
      expectThat(refs.size === 5 && !refs.has(0), 'five numbers from 1')
    },
    needs,
  ),
  clientCase(
    'topics/hands-over',
    'hands over what comes of a topic, once, in order and by topic',
    ['TDATA-4', 'TDATA-1', 'TDATA-5', 'VOLATILE-3', 'SKIP-1', 'TOPIC-4'],
    async (scene) => {
      const peer = await scene.attach()
      const room = await scene.subscribed(peer, 'room', { id: 7, offset: 41 })
      const hall = await scene.subscribed(peer, 'hall', { id: 0 })
      peer.send('T7,42 a')
      peer.send('T7,43,1,0,2 b😀')
      peer.send('V7 volatile')
      peer.send('T0,1 hall')
      peer.send('K7,46,47')
      peer.send(new Uint8Array(Buffer.from('T7,48,1,2 xyz')))
      peer.send('V7,1,1 vw')
      peer.send('T7,50 ')
      const expected = ['a', 'b', '', '😀', 'volatile', '(bytes) x', '(bytes) yz', 'v', 'w', '']
      await scene.hasHeard(room.told, ...expected)
      await scene.hasHeard(hall.told, 'hall')
      await pause(100)
      await scene.hasHeard(room.told, ...expected)
      expectThat(!scene.told.length, 'that nothing is told as of the inbox')
    },
    needs,
  ),
  clientCase(
    'topics/skips-what-it-has',
    'skips what it has, and takes the rest',
    ['TDATA-2', 'SKIP-2', 'GAP-6', 'ACK-4'],
    async (scene) => {
      const peer = await scene.attach()
      const { told } = await scene.subscribed(peer, 'room', { id: 7 })
      peer.send('T7,1,1,1 ab')
      peer.send('T7,1,1,1,1 abc')
      peer.send('K7,2,4')
      peer.send('G {"topic":7,"from":3,"to":6,"reason":"overflow"}')
      peer.send('K7,1,6')
      peer.send('T7,7 d')
      await scene.hasHeard(told, 'a', 'b', 'c', 'gap: 5-6 overflow', 'd')
      await acknowledged(peer, 9, 6)
    },
    needs,
  ),
  ...(
    [
      ['jump', 'T7,3 x'],
      ['jump-of-several', 'T7,3,1,1 xy'],
      ['number-0', 'T7,0 x'],
      ['skip-jump', 'K7,3,3'],
      ['skip-0', 'K7,0,1'],
      ['skip-back', 'K7,2,1'],
      ['gap-jump', 'G {"topic":7,"from":3,"to":4,"reason":"overflow"}'],
      ['gap-back', 'G {"topic":7,"from":2,"to":1,"reason":"overflow"}'],
    ] as const
  ).map(([what, message]) =>
    clientCase(
      `topics/${what}`,
      `refuses ${message} behind 1, takes nothing of it, and comes back`,
      [message[0] === 'T' ? 'TDATA-2' : message[0] === 'K' ? 'SKIP-2' : 'GAP-6', 'RESUME-8', 'CLOSE-1'],
      async (scene) => {
        const peer = await scene.attach()
        const { told } = await scene.subscribed(peer, 'room', { id: 7 })
        peer.send('T7,1 a')
        peer.send(message)
        peer.send('T7,2 too late')
        await peer.closed(CloseCode.outOfOrder)
        const { peer: next, hello, resume } = await scene.comeback()
        scene.let(next, resume)
        const [sub] = await asked(scene, next, hello.topics ?? [], 1)
        expectThat(isDeepStrictEqual(sub!.from, position(1)), `the position 1, not ${JSON.stringify(sub!.from)}`)
        await scene.hasHeard(told, 'a')
      },
      needs,
    ),
  ),
  ...['T9,1 x', 'V9 x', 'K9,1,1', 'G {"topic":9,"from":1,"to":1,"reason":"overflow"}'].map((message) =>
    clientCase(
      `topics/unknown-id-${message[0]!}`,
      `refuses ${message} if SUBBED has named another id only`,
      ['TDATA-3'],
      async (scene) => {
        const peer = await scene.attach()
        const { told } = await scene.subscribed(peer, 'room', { id: 7 })
        peer.send(message)
        await peer.closed(CloseCode.protocolError)
        await scene.hasHeard(told)
      },
      needs,
    ),
  ),
  clientCase(
    'topics/id-of-another-connection',
    'refuses the id that another connection has named',
    ['TDATA-3', 'SUBBED-2'],
    async (scene) => {
      const peer = await scene.attach()
      await scene.subscribed(peer, 'room', { id: 7 })
      peer.cut()
      const { peer: next, resume, hello } = await scene.comeback()
      scene.let(next, resume)
      await asked(scene, next, hello.topics ?? [], 1)
      next.send('T7,1 x')
      await next.closed(CloseCode.protocolError)
    },
    needs,
  ),
  clientCase(
    'topics/acknowledges',
    'acknowledges what its application is done with, by messages and bytes of all topics, and soon then',
    ['ACK-4', 'ACK-5', 'ACKING-1', 'ACKING-5'],
    async (scene) => {
      const peer = await scene.attach()
      const room = await scene.subscribed(peer, 'room', { id: 7 })
      await scene.subscribed(peer, 'hall', { id: 8 })
      room.told.holds = true
      peer.send('T7,1,2,3 abcde')
      peer.send('K7,3,9')
      await scene.hasHeard(room.told, 'ab')
      peer.send('V8 é😀')
      peer.send('T8,1 x')
      await acknowledged(peer, 2, 4)
      await pause(900)
      await acknowledged(peer, 2, 4)
      room.told.release()
      await acknowledged(peer, 5, 9)
      peer.send('G {"topic":8,"from":2,"to":1000,"reason":"overflow"}')
      await acknowledged(peer, 6, 9)
    },
    needs,
  ),
  clientCase(
    'topics/failed',
    'hands over again what its application could not handle, but nothing volatile, and goes on with other topics',
    ['ACKING-4', 'VOLATILE-3', 'TDATA-4'],
    async (scene) => {
      const peer = await scene.attach()
      const room = await scene.subscribed(peer, 'room', { id: 7 })
      const hall = await scene.subscribed(peer, 'hall', { id: 8 })
      const yard = await scene.subscribed(peer, 'yard', { id: 9 })
      room.told.failures = yard.told.failures = 1
      peer.send('T7,1,1,1 ab')
      peer.send('T8,1 c')
      peer.send('V9,1,1 vw')
      await scene.hasHeard(room.told, 'a')
      await scene.hasHeard(hall.told, 'c')
      await scene.hasHeard(yard.told, 'v', 'w')
      await acknowledged(peer, 3, 3)
      await scene.eventually('that the message is handed over again', () => room.told.told.length > 1, 10_000)
      await scene.hasHeard(room.told, 'a', 'a', 'b')
      await acknowledged(peer, 5, 5)
      await scene.hasHeard(yard.told, 'v', 'w')
    },
    { ...needs, timeoutMs: 30_000 },
  ),
  clientCase(
    'topics/unsub',
    'says that it wants no more of a topic, and drops and acknowledges what still comes',
    ['UNSUB-1', 'TDATA-3', 'ACK-4'],
    async (scene) => {
      const peer = await scene.attach()
      const { told, sub } = await scene.subscribed(peer, 'room', { id: 7 })
      peer.send('T7,1 a')
      await scene.hasHeard(told, 'a')
      told.unsubscribe()
      const { body } = await peer.expect('unsub')
      expectThat(body.ref === sub.ref && !body.pause, `UNSUB for ${sub.ref}`)
      peer.send('T7,2,1,1 bc')
      peer.send('V7 d')
      peer.send('K7,4,4')
      peer.send('G {"topic":7,"from":5,"to":6,"reason":"overflow"}')
      await acknowledged(peer, 6, 4)
      await scene.hasHeard(told, 'a')
    },
    needs,
  ),
  clientCase(
    'topics/unsub-crosses-subbed',
    'takes SUBBED for what it has ended, and drops what comes',
    ['SUBBED-7', 'TDATA-3', 'SUB-1'],
    async (scene) => {
      const peer = await scene.attach()
      const told = scene.subscribe('room')
      const { body: sub } = await peer.expect('sub')
      told.unsubscribe()
      await peer.expect('unsub')
      const second = scene.subscribe('room')
      const { body: again } = await peer.expect('sub')
      scene.answer(peer, sub, { id: 7 })
      peer.send('T7,1 a')
      scene.answer(peer, again, { id: 7, offset: 1 })
      peer.send('T7,2 b')
      await scene.hasHeard(second, 'b')
      await scene.hasHeard(told)
      await acknowledged(peer, 2, 2)
    },
    needs,
  ),
  clientCase(
    'topics/ended',
    'tells that the server has refused or ended a subscription, behind what came before, and does not ask again',
    ['UNSUB-6', 'UNSUB-7'],
    async (scene) => {
      const peer = await scene.attach()
      const { told, sub } = await scene.subscribed(peer, 'room', { id: 7 })
      told.holds = true
      peer.send('T7,1,1,1 ab')
      peer.send(`U {"ref":${sub.ref},"topic":"room","reason":"something-new"}`)
      const refused = scene.subscribe('hall')
      const { body } = await peer.expect('sub')
      peer.send(`U {"ref":${body.ref},"topic":"hall","reason":"unauthorized"}`)
      await scene.hasHeard(refused, 'ended: unauthorized')
      await scene.hasHeard(told, 'a')
      told.release()
      await scene.hasHeard(told, 'a', 'b', 'ended: something-new')
      // Nobody has these.
      for (const unsub of ['{"ref":99,"topic":"t","reason":"x"}', '{"ref":0,"topic":"t","reason":"x"}', '{"ref":99}'])
        peer.send(`U ${unsub}`)
      await peer.quiet(300, ['ack'])
      peer.cut()
      const { peer: next, hello, resume } = await scene.comeback()
      expectThat(!hello.topics?.length, 'no topics in HELLO')
      scene.let(next, resume)
      await next.quiet(200, ['ack', 'unsub'])
    },
    needs,
  ),
  clientCase(
    'topics/gaps',
    'tells what is missing in its place: trimmed, skipped, or of another history',
    ['GAP-6', 'SUBBED-4', 'SUBBED-5', 'SUBBED-6'],
    async (scene) => {
      const peer = await scene.attach()
      const { told, sub } = await scene.subscribed(peer, 'room', { id: 7, offset: 10 })
      told.holds = true
      peer.send('T7,11 a')
      peer.send('G {"topic":7,"from":12,"to":20,"reason":"overflow"}')
      peer.send('T7,21 b')
      scene.answer(peer, sub, { id: 7, offset: 30 })
      peer.send('T7,31 c')
      scene.answer(peer, sub, { id: 7, generation: 'y', offset: 0, last: 2 })
      peer.send('T7,1,1,1 de')
      await scene.hasHeard(told, 'a')
      told.release()
      const gaps = ['gap: 12-20 overflow', 'gap: 22-30 skipped', 'gap: 32-? generation']
      await scene.hasHeard(told, 'a', gaps[0]!, 'b', gaps[1]!, 'c', gaps[2]!, 'd', 'e')
      peer.cut()
      const { peer: next, hello, resume } = await scene.comeback()
      scene.let(next, resume)
      const [last] = await asked(scene, next, hello.topics ?? [], 1)
      expectThat(
        isDeepStrictEqual(last!.from, position(2, 'y')),
        `the position 2 of y, not ${JSON.stringify(last!.from)}`,
      )
    },
    needs,
  ),
  ...(
    [
      ['an offset beyond the last one', { offset: 9, last: 8 }],
      ['a last one before what it has', { offset: 1, last: 1 }],
    ] as const
  ).map(([what, answer]) =>
    clientCase(
      `topics/${what.replaceAll(' ', '-')}`,
      `refuses SUBBED with ${what}`,
      ['SUBBED-3'],
      async (scene) => {
        const peer = await scene.attach()
        const { sub } = await scene.subscribed(peer, 'room', { id: 7, offset: 2 })
        scene.answer(peer, sub, { id: 7, ...answer })
        await peer.closed(CloseCode.protocolError)
      },
      needs,
    ),
  ),
  clientCase(
    'topics/comes-back',
    'goes on behind the last message that it has, handled or not, and takes each once',
    ['RESUME-8', 'HELLO-7', 'TDATA-4', 'WINDOW-5', 'ACK-5'],
    async (scene) => {
      const peer = await scene.attach()
      const { told, sub } = await scene.subscribed(peer, 'room', { id: 7 })
      told.holds = true
      peer.send('T7,1,1,1,1 abc')
      await scene.hasHeard(told, 'a')
      peer.cut()
      const { peer: next, hello, resume } = await scene.comeback()
      scene.let(next, resume)
      const [again] = await asked(scene, next, hello.topics ?? [], 1)
      expectThat(again!.ref === sub.ref && again!.topic === 'room', 'the same subscription')
      expectThat(isDeepStrictEqual(again!.from, position(3)), `the position 3, not ${JSON.stringify(again!.from)}`)
      scene.answer(next, again!, { id: 9, last: 4 })
      next.send('T9,3,1,1 cd')
      told.release()
      await scene.hasHeard(told, 'a', 'b', 'c', 'd')
      await acknowledged(next, 2, 2)
    },
    needs,
  ),
  clientCase(
    'topics/new-session',
    'goes on with its topics in a new session, and misses nothing of them',
    ['RESUME-11', 'SUB-1'],
    async (scene) => {
      const peer = await scene.attach()
      const { told, sub } = await scene.subscribed(peer, 'room', { id: 7 })
      peer.send('T7,1 a')
      await scene.hasHeard(told, 'a')
      peer.cut()
      const { peer: next, hello } = await scene.comeback()
      next.welcome({ ...scene.welcome, session: 'session-2', token: 'token-9', reason: 'unknown' })
      const [again] = await asked(scene, next, hello.topics ?? [], 1)
      expectThat(isDeepStrictEqual(again!.from, position(1)), `the position 1, not ${JSON.stringify(again!.from)}`)
      expectThat(again!.ref === sub.ref, 'the same number')
      scene.answer(next, again!, { id: 7, last: 2 })
      next.send('T7,2 b')
      await scene.hasHeard(told, 'a', 'b')
    },
    needs,
  ),
  clientCase(
    'topics/many',
    'asks for all that it has on each connection, once, in HELLO as far as there is room',
    ['HELLO-7', 'RESUME-8', 'UPGRADE-4'],
    async (scene) => {
      const peer = await scene.attach()
      const count = 60
      const names = Array.from({ length: count }, (_, index) => `${'é(room)'.repeat(20)} ${index}`)
      for (const name of names) await scene.subscribed(peer, name)
      peer.cut()
      const { peer: next, hello, resume } = await scene.comeback()
      const entry = next.offers.find((offer) => offer.startsWith('heartline.hello.'))
      expectThat((entry?.length ?? 0) <= MAX_HELLO_ENTRY, `a HELLO entry of at most ${MAX_HELLO_ENTRY} characters`)
      scene.let(next, resume)
      const all = await asked(scene, next, hello.topics ?? [], count)
      await next.quiet(300, ['ack'])
      expectThat(all.length === count && new Set(all.map(({ ref }) => ref)).size === count, `${count} subscriptions`)
      expectThat(
        names.every((name) => all.some(({ topic }) => topic === name)),
        'each topic',
      )
      const first = next.frames.findIndex(({ type }) => type === 'ack' || type === 'data')
      const sub = next.frames.findIndex(({ type }) => type === 'sub')
      expectThat(sub < 0 || first < sub, 'an answer to WELCOME before SUB')
    },
    needs,
  ),
  clientCase(
    'topics/unsub-while-away',
    'says behind WELCOME what it has ended while it had no connection',
    ['UNSUB-3', 'RESUME-8'],
    async (scene) => {
      const peer = await scene.attach()
      const room = await scene.subscribed(peer, 'room')
      await scene.subscribed(peer, 'hall')
      peer.cut()
      room.told.unsubscribe()
      const { peer: next, hello, resume } = await scene.comeback()
      scene.let(next, resume)
      const { body } = await next.expect('unsub')
      expectThat(body.ref === room.sub.ref && !body.pause, `UNSUB for ${room.sub.ref}`)
      const all = await asked(scene, next, hello.topics ?? [], 1)
      expectThat(all.length === 1 && all[0]!.topic === 'hall', 'the other topic alone')
    },
    needs,
  ),
  clientCase(
    'topics/of-the-server',
    'takes what the server subscribes it to, says where it is in that, and hears that it is over',
    ['SUBBED-7', 'HELLO-7', 'RESUME-8', 'UNSUB-6', 'TOPIC-3'],
    async (scene) => {
      const peer = await scene.attach()
      const subbed = { ref: 0, topic: '$subject:7', id: 3, generation: 'x', offset: 4, last: 4 }
      peer.send(`O ${JSON.stringify(subbed)}`)
      peer.send('T3,5 a')
      await scene.hasHeard(scene.ofServer, '$subject:7 a')
      await acknowledged(peer, 1, 1)
      peer.cut()
      const { peer: next, hello, resume } = await scene.comeback()
      const [told] = hello.topics ?? []
      expectThat(told?.ref === 0 && told.topic === '$subject:7', 'what the server has made in HELLO')
      expectThat(isDeepStrictEqual(told.from, position(5)), `the position 5, not ${JSON.stringify(told.from)}`)
      scene.let(next, resume)
      next.send(`O ${JSON.stringify({ ...subbed, id: 1, offset: 5, last: 6 })}`)
      next.send('T1,6 b')
      await scene.hasHeard(scene.ofServer, '$subject:7 a', '$subject:7 b')
      next.send('U {"ref":0,"topic":"$subject:7","reason":"unsubscribed"}')
      await next.quiet(200, ['ack'])
      next.cut()
      const { hello: last } = await scene.comeback()
      expectThat(!last.topics?.length, 'nothing of it in HELLO any more')
    },
    needs,
  ),
  clientCase(
    'topics/pauses',
    'pauses what its application is slow with, so that other topics go on, and takes it from there when there is room',
    ['WINDOW-7', 'UNSUB-2', 'SUB-6', 'ACK-4', 'TDATA-3'],
    async (scene) => {
      const peer = await scene.server.next()
      const { window } = await peer.hello()
      peer.welcome(scene.welcome)
      const slow = await scene.subscribed(peer, 'slow', { id: 1 })
      const other = await scene.subscribed(peer, 'other', { id: 2 })
      slow.told.holds = true
      // Nearly all of the window.
      const count = Math.min(window.messages - 2, 2_000)
      const length = Math.floor((window.bytes - 2) / count)
      const text = (offset: number): string => String(offset).padEnd(Math.min(length, 2_000), '.')
      let sent = 0
      const paused = (): Sub['ref'] | undefined => {
        const frame = peer.frames.find((frame) => frame.type === 'unsub')
        return frame?.type === 'unsub' && frame.body.pause ? frame.body.ref : undefined
      }
      while (sent < count) {
        peer.send(`T1,${++sent} ${text(sent)}`)
        if (sent % 100 === 0) await pause(1)
      }
      await scene.eventually('UNSUB with `pause` for the slow one', () => paused() === slow.sub.ref)
      peer.send('T2,1 x')
      await scene.hasHeard(other.told, 'x')
      slow.told.release()
      const { body: again } = await peer.expect('unsub').then(() => peer.expect('sub'))
      const from = again.from as { readonly generation: string; readonly offset: number }
      expectThat(again.ref === slow.sub.ref && from.offset > 0 && from.offset < count, 'SUB from where it is')
      scene.answer(peer, again, { id: 1, last: count + 1 })
      for (let offset = from.offset + 1; offset <= count + 1; offset++) {
        peer.send(`T1,${offset} ${text(offset)}`)
        if (offset % 100 === 0) await pause(1)
      }
      await scene.eventually('all messages', () => slow.told.told.length > count)
      const isInOrder = slow.told.told.every((one, index) => one.startsWith(text(index + 1).slice(0, 100)))
      expectThat(isInOrder && slow.told.told.length === count + 1, 'each of them once, in order')
    },
    { ...needs, timeoutMs: 30_000 },
  ),
  clientCase(
    'topics/window-exceeded',
    'ends a connection that brings more of topics than its window has',
    ['WINDOW-4', 'WINDOW-5'],
    async (scene) => {
      const peer = await scene.server.next()
      const { window } = await peer.hello()
      peer.welcome(scene.welcome)
      const { told } = await scene.subscribed(peer, 'room', { id: 7 })
      told.holds = true
      let sent = 0
      while (sent < window.messages) {
        const count = Math.min(1_000, window.messages - sent)
        if (count < 2) peer.send(`T7,${sent + 1} `)
        else peer.send(`T7,${sent + 1}${',0'.repeat(count)} `)
        sent += count
      }
      await peer.quiet(300, ['ack'])
      peer.send('V7 ')
      await peer.closed(CloseCode.tooLarge)
      await scene.hasHeard(told, '')
    },
    needs,
  ),
]
