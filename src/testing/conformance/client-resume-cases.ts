import { clientCase } from './client-scene.ts'
import { expectPayloads, expectThat } from './raw-connection.ts'

/** Sessions over several connections. */
export const clientResumeCases = [
  clientCase(
    'resume/hello',
    'asks for its session, with the newest token, its position and its last number',
    ['HELLO-4', 'TOKEN-2', 'POSITION-3'],
    async (scene) => {
      const peer = await scene.attach()
      peer.cut()
      const { peer: second, resume } = await scene.comeback()
      const { session, token, position, sent } = resume
      expectThat(session === 'session-1' && token === 'token-1', 'session and token of WELCOME')
      expectThat(position.generation === 'generation-1' && position.offset === 0, 'the position of an empty inbox')
      expectThat(sent === 0, `that nothing was sent, not ${sent}`)
      scene.let(second, resume)
      second.say('a', 'b')
      scene.send('x')
      await second.hear(1)
      await second.until('an acknowledgement', () => (second.acked === 2 ? true : undefined))
      second.cut()
      const third = await scene.comeback()
      expectThat(third.resume.token === 'token-2', `the newest token, not ${third.resume.token}`)
      expectThat(third.resume.position.offset === 2, `the offset 2, not ${third.resume.position.offset}`)
      expectThat(third.resume.sent === 1, `the number 1 as highest, not ${third.resume.sent}`)
    },
  ),
  clientCase(
    'resume/replays',
    'sends what was not received once more, under the same numbers, and then what is new',
    ['RESUME-2', 'NUMBER-1', 'NUMBER-3', 'ACK-3'],
    async (scene) => {
      const peer = await scene.attach()
      const sent = scene.send('a', 'b', 'c')
      await peer.hear(3)
      await peer.quiet(300)
      peer.cut()
      scene.send('d')
      const next = await scene.resume({ received: 1, accepted: 0 })
      expectPayloads(await next.hear(3), ['b', 'c', 'd'])
      next.send('A4')
      await scene.eventually('that three are acknowledged', () => sent.acknowledged === 3)
      await next.quiet(200)
    },
  ),
  clientCase(
    'resume/accepted',
    'takes what WELCOME says is accepted as acknowledged',
    ['WELCOME-2', 'RESUME-2'],
    async (scene) => {
      const peer = await scene.attach()
      const sent = scene.send('a', 'b', 'c')
      await peer.hear(3)
      peer.cut()
      const next = await scene.resume({ received: 3, accepted: 2 })
      await scene.eventually('that two are acknowledged', () => sent.acknowledged === 2)
      await next.quiet(200)
      next.send('A3')
      await scene.eventually('that three are acknowledged', () => sent.acknowledged === 3)
    },
  ),
  clientCase(
    'resume/again-and-again',
    'loses nothing and sends nothing twice, however often it is cut',
    ['RESUME-2', 'NUMBER-1'],
    async (scene) => {
      let peer = await scene.attach()
      const sent = scene.send('a', 'b', 'c', 'd')
      for (let received = 0; received < 4; received++) {
        await peer.hear(4 - received)
        peer.cut()
        const next = await scene.resume({ received: received + 1, accepted: received + 1 })
        peer = next
      }
      await scene.eventually('that all are acknowledged', () => sent.acknowledged === 4)
    },
  ),
  clientCase(
    'resume/takes-each-number-once',
    'skips what it has, and takes the rest',
    ['DATA-2', 'DATA-4', 'NUMBER-2'],
    async (scene) => {
      const peer = await scene.attach()
      peer.say('a', 'b')
      await peer.acknowledged(2)
      peer.cut()
      const next = await scene.resume({ last: 4 })
      next.send('B1,0,1,1,1 abc')
      next.send('D4,0 d')
      await next.acknowledged(4)
      await scene.hasTold('a', 'b', 'c', 'd')
    },
  ),
  clientCase(
    'resume/waits-for-its-application',
    'does not hand over a second time what its application still has',
    ['DATA-4', 'WINDOW-3'],
    async (scene) => {
      const peer = await scene.attach()
      scene.holds = true
      peer.say('a', 'b')
      await scene.hasTold('a')
      peer.cut()
      const next = await scene.resume()
      expectThat(next.acked === 0, 'that nothing is acknowledged')
      next.send('D3,0 c')
      scene.release()
      await next.acknowledged(3)
      await scene.hasTold('a', 'b', 'c')
    },
  ),
  clientCase(
    'resume/refused',
    'tells a gap, hands back what may have arrived, and sends what was never sent in the new session',
    ['GAP-4', 'RESUME-6', 'NUMBER-1'],
    async (scene) => {
      const peer = await scene.attach()
      peer.say('a')
      await peer.acknowledged(1)
      const sent = scene.send('x', 'y', 'z')
      await peer.hear(3)
      peer.send('A1')
      await scene.eventually('that one is acknowledged', () => sent.acknowledged === 1)
      peer.cut()
      const { peer: next } = await scene.comeback()
      scene.send('new')
      next.welcome({
        ...scene.welcome,
        session: 'session-2',
        token: 'token-9',
        generation: 'generation-2',
        reason: 'unknown',
      })
      expectPayloads(await next.hear(1), ['new'])
      next.say('b')
      await scene.hasTold('a', { from: 2, to: undefined, reason: 'unknown' }, 'b')
      await scene.eventually('that two are handed back', () => scene.lost.length >= 2)
      expectPayloads(scene.lost, ['y', 'z'])
      await next.acknowledged(1)
      next.cut()
      const { resume } = await scene.comeback()
      expectThat(resume.session === 'session-2' && resume.sent === 1, 'the new session, with one message sent')
    },
  ),
  clientCase(
    'resume/other-generation',
    'tells a gap and begins its inbox anew, and goes on sending',
    ['GAP-4', 'RESUME-3', 'RESUME-2'],
    async (scene) => {
      const peer = await scene.attach()
      peer.say('a', 'b')
      await peer.acknowledged(2)
      scene.send('x', 'y')
      await peer.hear(2)
      peer.cut()
      const next = await scene.resume({ generation: 'generation-2', received: 1, accepted: 1, last: 1 })
      next.sent = 0
      next.say('c')
      expectPayloads(await next.hear(1), ['y'])
      await scene.hasTold('a', 'b', { from: 3, to: undefined, reason: 'generation' }, 'c')
      await next.acknowledged(1)
      next.cut()
      const { position } = (await scene.comeback()).resume
      expectThat(position.generation === 'generation-2' && position.offset === 1, 'the position in the new generation')
    },
  ),
  clientCase(
    'resume/late-in-other-generation',
    'acknowledges nothing of a generation that is over',
    ['ACK-2', 'POSITION-1'],
    async (scene) => {
      const peer = await scene.attach()
      scene.holds = true
      peer.say('a', 'b', 'c')
      await scene.hasTold('a')
      peer.cut()
      const next = await scene.resume({ generation: 'generation-2', last: 0 })
      scene.release()
      await scene.hasTold('a', 'b', 'c', { from: 4, to: undefined, reason: 'generation' })
      await next.quiet(300, ['ack'])
      expectThat(next.acked === 0, `that nothing is acknowledged, not ${next.acked}`)
      next.sent = 0
      next.say('d')
      await next.acknowledged(1)
    },
  ),
]
