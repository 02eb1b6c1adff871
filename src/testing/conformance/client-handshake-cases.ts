import { CloseCode } from '../../protocol/close-codes.ts'
import type { Welcome } from '../../protocol/frame.ts'
import { MAX_HELLO_ENTRY, PROTOCOL } from '../../protocol/limits.ts'
import { clientCase } from './client-scene.ts'
import { expectThat } from './raw-connection.ts'

/** Twice the longest delay, and what a busy machine takes. */
const backWithin = (maxDelayMs: number): number => 2 * maxDelayMs + 1_500
const HEADER_PREFIX = 'heartline.hello.'

/** What cannot be said of a session that nobody asked for… */
const impossibleNew: readonly [what: string, welcome: Partial<Welcome>][] = [
  ['a new session with something received', { received: 1 }],
  ['a new session with something accepted', { accepted: 1 }],
  ['a session that is resumed though nobody asked', { resumed: true }],
]
/** …and of one in which 2 were sent, 1 was acknowledged, and 1 was received. */
const impossibleResumed: readonly [what: string, welcome: Partial<Welcome>][] = [
  ['another session as the one that was asked for', { session: 'session-9' }],
  ['more as received than was sent', { received: 3, accepted: 1 }],
  ['more as accepted than as received', { received: 1, accepted: 2 }],
  ['less as received than was acknowledged', { received: 0, accepted: 0 }],
  ['an inbox that is shorter than what was received', { last: 0 }],
]

/** What comes before the first message. */
export const clientHandshakeCases = [
  clientCase(
    'handshake/hello',
    'offers the subprotocol and says HELLO, once, and nothing more before WELCOME',
    ['UPGRADE-1', 'UPGRADE-4', 'UPGRADE-6', 'HELLO-1', 'HELLO-3', 'TOKEN-6'],
    async (scene) => {
      scene.send('early')
      const peer = await scene.server.next()
      expectThat(peer.offers[0] === PROTOCOL, `${PROTOCOL} as first offer`)
      const entries = peer.offers.filter((offer) => offer.startsWith(HEADER_PREFIX))
      expectThat(entries.length < 2, 'one HELLO entry at most')
      expectThat((entries[0]?.length ?? 0) <= MAX_HELLO_ENTRY, `a HELLO entry of at most ${MAX_HELLO_ENTRY} characters`)
      const hello = await peer.hello()
      expectThat(hello.resume === undefined, 'that there is nothing to resume')
      expectThat(!peer.url.includes('token') && !peer.url.includes('window'), 'nothing of HELLO in the URL')
      await peer.quiet(300)
      expectThat(peer.frames.length === (entries.length ? 0 : 1), 'nothing but HELLO')
    },
  ),
  clientCase('handshake/confirms', 'answers WELCOME at once', ['WELCOME-5'], async (scene) => {
    const peer = await scene.attach()
    await peer.acknowledged(0)
  }),
  clientCase('handshake/other-protocol', 'leaves a server that selects anything else', ['UPGRADE-3'], async (scene) => {
    scene.server.select = (offers) => [...offers].at(-1)!
    const peer = await scene.server.next()
    if (peer.offers.length < 2) return
    await peer.closed(CloseCode.notHeartline)
    expectThat(!peer.frames.length, 'no frame')
    await scene.server.nobody(300)
  }),
  ...['D1,0 x', 'A0', 'P', 'E0,0', 'N1', 'Y {"withinMs":1}', 'G {"from":1,"to":1,"reason":"overflow"}', 'x'].map(
    (message) =>
      clientCase(
        `handshake/before-welcome-${message[0]!}`,
        `refuses ${message} in place of WELCOME`,
        ['WELCOME-1', 'FRAME-6'],
        async (scene) => {
          const peer = await scene.server.next()
          await peer.hello()
          peer.send(message)
          await peer.closed(CloseCode.protocolError)
          expectThat(!scene.told.length, 'that the application is told nothing')
        },
      ),
  ),
  ...impossibleNew.map(([what, welcome], index) =>
    clientCase(`welcome/impossible-new-${index + 1}`, `refuses ${what}`, ['WELCOME-3', 'WELCOME-4'], async (scene) => {
      const peer = await scene.server.next()
      await peer.hello()
      peer.welcome({ ...scene.welcome, ...welcome })
      await peer.closed(CloseCode.protocolError)
    }),
  ),
  ...impossibleResumed.map(([what, welcome], index) =>
    clientCase(`welcome/impossible-${index + 1}`, `refuses ${what}`, ['WELCOME-2', 'WELCOME-4'], async (scene) => {
      const peer = await scene.attach()
      const sent = scene.send('a', 'b')
      await peer.hear(2)
      peer.send('D1,1 x')
      await peer.acknowledged(1)
      await scene.eventually('that the first message is acknowledged', () => sent.acknowledged === 1)
      peer.cut()
      const { peer: next, resume } = await scene.comeback()
      expectThat(resume.sent === 2 && resume.position.offset === 1, 'that 2 were sent, and 1 received')
      scene.let(next, resume, { received: 2, accepted: 1, last: 1, ...welcome })
      await next.closed(CloseCode.protocolError)
    }),
  ),
  clientCase('welcome/twice', 'refuses a second WELCOME', ['WELCOME-1'], async (scene) => {
    const peer = await scene.attach()
    peer.welcome(scene.welcome)
    await peer.closed(CloseCode.protocolError)
  }),
  clientCase('welcome/unknown-fields', 'ignores fields that it does not know', ['FRAME-5'], async (scene) => {
    const peer = await scene.attach({ later: { more: 1 } } as Partial<Welcome>)
    peer.send('D1,0 x')
    await scene.hasTold('x')
  }),
  clientCase(
    'handshake/lost',
    'says the same HELLO again when no WELCOME has come',
    ['HELLO-4', 'TOKEN-3'],
    async (scene) => {
      const first = await scene.server.next()
      await first.hello()
      first.cut()
      const peer = await scene.attach()
      peer.cut()
      for (let lost = 0; lost < 2; lost++) {
        const { peer, resume } = await scene.comeback()
        expectThat(resume.token === 'token-1', `the token of the last WELCOME, not ${resume.token}`)
        peer.cut()
      }
    },
  ),
  clientCase(
    'handshake/hangs',
    'gives up an attempt that hangs, closes it, and tries again',
    ['UPGRADE-7'],
    async (scene, { connectTimeoutMs = 0, maxDelayMs }) => {
      const peer = await scene.server.next()
      await peer.closedWithin(connectTimeoutMs + 1_500)
      await scene.server.next(backWithin(maxDelayMs))
    },
    { needs: ['connectTimeoutMs'] },
  ),
  clientCase('reject/final', 'does not come back after a final REJECT', ['REJECT-2', 'CLOSE-3'], async (scene) => {
    const peer = await scene.server.next()
    await peer.hello()
    peer.send('R {"code":4999,"reason":"no"}')
    await peer.closed()
    await scene.server.nobody(600)
  }),
  clientCase(
    'reject/later',
    'comes back after REJECT, and not before it may',
    ['REJECT-2', 'REJECT-3'],
    async (scene, { maxDelayMs }) => {
      const peer = await scene.server.next()
      await peer.hello()
      const since = performance.now()
      peer.send('R {"code":4803,"reason":"full","retryAfterMs":700}')
      peer.close(CloseCode.tryLater)
      const next = await scene.server.next(700 + backWithin(maxDelayMs))
      const awayMs = next.at - since
      expectThat(awayMs >= 690, `that it stays away for 700 ms, not ${Math.round(awayMs)}`)
    },
  ),
  clientCase('reject/after-welcome', 'refuses REJECT after WELCOME', ['REJECT-4'], async (scene) => {
    const peer = await scene.attach()
    peer.send('R {"code":4803,"reason":"full"}')
    await peer.closed(CloseCode.protocolError)
  }),
  ...[4902, 4999, 4900, 1000, 1008].map((code) =>
    clientCase(
      `close/final-${code}`,
      `does not come back after ${code}`,
      code === 4902 ? ['ATTACH-5', 'CLOSE-3'] : ['CLOSE-3'],
      async (scene) => {
        const peer = await scene.attach()
        peer.close(code)
        await peer.closed()
        await scene.server.nobody(600)
      },
    ),
  ),
  ...[4703, 4799, 4803, 4899, 1001, 1011].map((code) =>
    clientCase(`close/back-after-${code}`, `comes back after ${code}`, ['CLOSE-3'], async (scene, { maxDelayMs }) => {
      const peer = await scene.attach()
      peer.close(code)
      await peer.closed()
      await scene.comeback(backWithin(maxDelayMs))
    }),
  ),
]
