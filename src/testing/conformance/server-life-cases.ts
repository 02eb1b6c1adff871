import { CloseCode } from '../../protocol/close-codes.ts'
import { expectPayloads, expectThat, pause } from './raw-connection.ts'
import { serverCase } from './server-scene.ts'
import { serverCommands } from './server-subject.ts'

/** Time that a server may take beyond its bounds: timers, and a machine that does other things. */
const LATE_MS = 1_500

/** Heartbeat, going away, and the end. */
export const serverLifeCases = [
  ...['P', 'P0', 'P24'].map((ping) =>
    serverCase(`heartbeat/answers-${ping}`, `answers ${ping} with PONG`, ['PING-1', 'PING-2'], async (scene) => {
      const client = await scene.attach()
      client.send(ping)
      await client.expect('pong', 1_000)
    }),
  ),
  serverCase('heartbeat/asks', 'asks a silent client', ['HEARTBEAT-1'], async (scene, { heartbeat }) => {
    const client = await scene.attach()
    await client.expect('ping', heartbeat.intervalMs + LATE_MS)
  }),
  serverCase(
    'heartbeat/lives',
    'keeps a connection whose client answers, and says nothing else',
    ['HEARTBEAT-3', 'PONG-1'],
    async (scene, { heartbeat: { intervalMs, timeoutMs } }) => {
      const client = await scene.attach()
      await pause(5 * (intervalMs + timeoutMs))
      client.say('a')
      await client.hear(1)
      expectThat(client.pings > 1, 'more than one PING')
    },
    { timeoutMs: 120_000 },
  ),
  ...['Q', 'A0', 'P'].map((message) =>
    serverCase(
      `heartbeat/life-by-${message[0]!}`,
      `takes ${message} as life, though PING is not answered`,
      ['HEARTBEAT-3'],
      async (scene, { heartbeat: { intervalMs, timeoutMs } }) => {
        const client = await scene.attach()
        client.answersPings = false
        for (let passedMs = 0; passedMs < 4 * (intervalMs + timeoutMs); passedMs += intervalMs / 2) {
          await pause(intervalMs / 2)
          client.send(message)
        }
        client.say('a')
        await client.hear(1)
      },
      { timeoutMs: 120_000 },
    ),
  ),
  serverCase(
    'heartbeat/reaps',
    'drops a client that does not answer, and keeps its session',
    ['HEARTBEAT-2', 'RESUME-7'],
    async (scene, { heartbeat: { intervalMs, timeoutMs } }) => {
      const client = await scene.attach()
      client.answersPings = false
      const since = performance.now()
      await client.closedWithin(intervalMs + timeoutMs + LATE_MS, 1006, CloseCode.heartbeatTimeout)
      const aliveMs = performance.now() - since
      expectThat(aliveMs > timeoutMs, `that it is given ${timeoutMs} ms, not ${Math.round(aliveMs)}`)
      expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
    },
    { timeoutMs: 60_000 },
  ),
  serverCase(
    'goaway/asks-and-goes-on',
    'asks its clients to leave, goes on meanwhile, and then closes',
    ['GOAWAY-1', 'GOAWAY-2'],
    async (scene, { drain }) => {
      const client = await scene.attach()
      client.say('a')
      await client.hear(1)
      void drain!()
      await client.expect('goaway')
      client.say('b')
      expectPayloads(await client.hear(2), ['a', 'b'])
      await client.closedWithin(10_000, CloseCode.goingAway)
    },
    { needs: ['drain'], timeoutMs: 30_000 },
  ),
  serverCase(
    'goaway/lets-leave',
    'lets a client leave that was asked to',
    ['GOAWAY-1'],
    async (scene, { drain }) => {
      const client = await scene.attach()
      void drain!()
      await client.expect('goaway')
      client.close(CloseCode.goingAway, 'moving')
      await client.closed(CloseCode.goingAway)
    },
    { needs: ['drain'] },
  ),
  serverCase(
    'bye/of-client',
    'answers BYE when all is handled, closes, and forgets the session',
    ['BYE-4', 'BYE-6'],
    async (scene) => {
      const client = await scene.attach()
      client.say('a', serverCommands.wait)
      client.send('E2,0')
      const { ack } = await client.until('BYE', () => client.frames.find((frame) => frame.type === 'bye'))
      expectThat(ack === 2, `that both messages are acknowledged, not ${ack}`)
      await client.closed(1000)
      const next = await scene.resume(client)
      expectThat(!next.welcome.resumed && next.welcome.reason === 'unknown', 'another session')
    },
  ),
  serverCase('bye/of-nothing', 'ends a session in which nothing was sent', ['BYE-4'], async (scene) => {
    const client = await scene.attach()
    client.send('E0,0')
    await client.expect('bye')
    await client.closed(1000)
  }),
  ...[1, 3].map((last) =>
    serverCase(
      `bye/wrong-${last}`,
      `refuses a BYE with the number ${last} behind 2, and keeps the session`,
      ['BYE-3', 'CLOSE-2'],
      async (scene) => {
        const client = await scene.attach()
        client.say('a', 'b')
        await client.hear(2)
        client.send(`E${last},2`)
        await client.closed(CloseCode.outOfOrder)
        expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
      },
    ),
  ),
  serverCase('bye/not-sent', 'refuses a BYE that acknowledges what was not sent', ['ACK-2', 'BYE-6'], async (scene) => {
    const client = await scene.attach()
    client.send('E0,1')
    await client.closed(CloseCode.protocolError)
    expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
  }),
  serverCase(
    'bye/of-server',
    'says BYE when its inbox is acknowledged, and forgets the session when that is answered',
    ['BYE-5'],
    async (scene) => {
      const client = await scene.attach()
      client.say('a')
      await client.hear(1)
      client.send(`D2,0 ${serverCommands.end}`)
      client.sent++
      await client.quiet(200, ['ack'])
      client.acknowledge()
      const { last } = await client.expect('bye')
      expectThat(last === 1, `that 1 is the last number, not ${last}`)
      client.send('E2,1')
      await client.closed(1000)
      const next = await scene.resume(client)
      expectThat(!next.welcome.resumed, 'another session')
    },
  ),
]
