import { CloseCode } from '../../protocol/close-codes.ts'
import { clientCase } from './client-scene.ts'
import { expectPayloads, expectThat, pause } from './raw-connection.ts'

/** Time that a client may take beyond its bounds: timers, and a machine that does other things. */
const LATE_MS = 1_500

/** Heartbeat, going away, and the end. */
export const clientLifeCases = [
  ...['P', 'P0', 'P24'].map((ping) =>
    clientCase(`heartbeat/answers-${ping}`, `answers ${ping} with PONG`, ['PING-1', 'PING-2'], async (scene) => {
      const peer = await scene.attach()
      peer.send(ping)
      await peer.expect('pong', 1_000)
    }),
  ),
  clientCase('heartbeat/asks', 'asks a silent server', ['HEARTBEAT-1'], async (scene, { heartbeat }) => {
    const peer = await scene.attach()
    await peer.expect('ping', heartbeat.intervalMs + heartbeat.timeoutMs + LATE_MS)
  }),
  clientCase(
    'heartbeat/lives',
    'keeps a connection whose server answers',
    ['HEARTBEAT-3', 'PONG-1'],
    async (scene, { heartbeat: { intervalMs, timeoutMs } }) => {
      const peer = await scene.attach()
      peer.send('Q')
      await pause(5 * (intervalMs + timeoutMs))
      scene.send('a')
      await peer.hear(1)
      expectThat(peer.pings > 1, 'more than one PING')
    },
    { timeoutMs: 120_000 },
  ),
  clientCase(
    'heartbeat/drops',
    'drops a connection whose server does not answer, and comes back',
    ['HEARTBEAT-2', 'RESUME-7'],
    async (scene, { heartbeat: { intervalMs, timeoutMs }, maxDelayMs }) => {
      const peer = await scene.attach()
      peer.answersPings = false
      const since = performance.now()
      const { peer: next } = await scene.comeback(intervalMs + timeoutMs + maxDelayMs + LATE_MS)
      expectThat(peer.pings > 0, 'PING before that')
      expectThat(next.at - since >= intervalMs, 'that it waits for its interval')
    },
    { timeoutMs: 60_000 },
  ),
  clientCase(
    'goaway/leaves',
    'leaves within the time that it is given, and attaches anew',
    ['GOAWAY-1', 'GOAWAY-2'],
    async (scene, { maxDelayMs }) => {
      const peer = await scene.attach()
      peer.send('Y {"withinMs":500}')
      scene.send('a')
      await peer.hear(1)
      await peer.closedWithin(500 + LATE_MS, CloseCode.goingAway)
      await scene.comeback(maxDelayMs + LATE_MS)
    },
  ),
  clientCase('bye/of-client', 'says BYE when all is acknowledged, and closes', ['BYE-1', 'BYE-2'], async (scene) => {
    const peer = await scene.attach()
    peer.say('x')
    await peer.acknowledged(1)
    scene.send('a', 'b')
    await peer.hear(2)
    void scene.client.close()
    await pause(50)
    expectThat(!peer.frames.some(({ type }) => type === 'bye'), 'no BYE before the acknowledgement')
    peer.send('A2')
    const { last, ack } = await peer.expect('bye')
    expectThat(last === 2 && ack === 1, `E2,1, not E${last},${ack}`)
    await peer.closed(1000)
    await scene.server.nobody(500)
    expectThat(!scene.lost.length, 'that nothing is handed back')
  }),
  clientCase('bye/of-nothing', 'says BYE when nothing was ever sent', ['BYE-1'], async (scene) => {
    const peer = await scene.attach()
    void scene.client.close()
    const { last, ack } = await peer.expect('bye')
    expectThat(last === 0 && ack === 0, `E0,0, not E${last},${ack}`)
    await peer.closed(1000)
  }),
  clientCase(
    'bye/of-server',
    'answers BYE, closes, does not come back, and hands back what is not acknowledged',
    ['BYE-5', 'BYE-6'],
    async (scene) => {
      const peer = await scene.attach()
      const sent = scene.send('a', 'b')
      await peer.hear(2)
      peer.send('E0,1')
      const { last } = await peer.expect('bye')
      expectThat(last === 2, `2 as last number, not ${last}`)
      await peer.closed(1000)
      await scene.eventually('that one is handed back', () => scene.lost.length > 0)
      expectPayloads(scene.lost, ['b'])
      expectThat(sent.acknowledged === 1, 'that the other one is acknowledged')
      await scene.server.nobody(500)
    },
  ),
]
