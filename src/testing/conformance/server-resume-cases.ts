import { CloseCode } from '../../protocol/close-codes.ts'
import { encodeData } from '../../protocol/encode.ts'
import type { GapReason } from '../../protocol/frame.ts'
import type { RawClient } from './raw-client.ts'
import { expectPayloads, expectThat, pause } from './raw-connection.ts'
import { serverCase, type ServerScene } from './server-scene.ts'
import { serverCommands } from './server-subject.ts'

/** A session in which messages were said and came back. */
async function talked(scene: ServerScene, ...texts: string[]): Promise<RawClient> {
  const client = await scene.attach()
  for (const text of texts) client.say(text)
  await client.hear(texts.length)
  return client
}

function expectNew(client: RawClient, former: RawClient, reason: GapReason): void {
  const { resumed, session, received, accepted } = client.welcome
  expectThat(!resumed && session !== former.welcome.session, 'another session')
  expectThat(client.welcome.reason === reason, `the reason ${reason}, not ${client.welcome.reason}`)
  expectThat(received === 0 && accepted === 0, 'a session in which nothing was received')
}

/** Sessions over several connections. */
export const serverResumeCases = [
  serverCase(
    'resume/replays-what-was-missed',
    'sends what the client has missed, in order and under the same numbers, before what is new',
    ['RESUME-1', 'ATTACH-2', 'DATA-1', 'WELCOME-2'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b', 'c', 'd')
      client.cut()
      for (const offset of [1, 4, 0, 3]) {
        const { resume } = client
        const next = await scene.attach({
          resume: { ...resume, position: { ...resume.position, offset } },
          confirms: false,
        })
        expectThat(next.welcome.resumed && next.welcome.last === 4, 'the same session, with 4 messages')
        expectPayloads(await next.hear(4 - offset), ['a', 'b', 'c', 'd'].slice(offset))
        client.welcome = next.welcome
        next.cut()
      }
      const last = await scene.attach({
        resume: { ...client.resume, position: { ...client.resume.position, offset: 2 } },
      })
      last.say('e')
      expectPayloads(await last.hear(3), ['c', 'd', 'e'])
    },
  ),
  serverCase(
    'resume/takes-each-number-once',
    'skips what it has, and takes the rest',
    ['DATA-2', 'DATA-4', 'NUMBER-2', 'ACK-3'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b')
      client.cut()
      const next = await scene.attach({ resume: { ...client.resume, sent: 4 } })
      next.send(encodeData(1, 2, ['a', 'b', 'c']))
      next.send('D4,2 d')
      expectPayloads(await next.hear(2), ['c', 'd'])
      await next.acknowledged(4)
      await next.quiet(200, ['ack'])
    },
  ),
  serverCase(
    'resume/repeats-a-full-window',
    'bears a client that fills the window and begins again behind the last acknowledgement',
    ['DATA-2', 'WINDOW-3', 'WINDOW-4'],
    async (scene) => {
      const client = await scene.attach()
      const { messages, bytes } = client.welcome.window
      const length = Math.min(1_000, client.welcome.maxMessageBytes)
      const count = Math.min(messages, Math.floor((bytes - serverCommands.wait.length) / length) + 1)
      const texts = [serverCommands.wait, ...Array.from({ length: count - 1 }, () => 'x'.repeat(length))]
      const say = (client: RawClient, to: number): void => {
        for (let first = 1; first <= to; first += 60)
          client.send(encodeData(first, client.received, texts.slice(first - 1, Math.min(to, first + 59))))
      }
      say(client, count - 1)
      await client.quiet(100)
      client.cut()
      const next = await scene.attach({ resume: { ...client.resume, sent: count } })
      say(next, count)
      await next.acknowledged(count)
      expectPayloads(await next.hear(count), texts)
    },
  ),
  serverCase(
    'resume/own-numbers',
    'a replay may begin at the next number, too',
    ['DATA-2', 'RESUME-2'],
    async (scene) => {
      const client = await talked(scene, 'a')
      client.cut()
      const next = await scene.resume(client)
      next.say('b')
      expectPayloads(await next.hear(1), ['b'])
    },
  ),
  serverCase(
    'resume/again-and-again',
    'resumes any number of times, also when a replay is cut',
    ['RESUME-1', 'TOKEN-2', 'RESUME-7'],
    async (scene) => {
      let client = await scene.attach({ window: { messages: 1, bytes: 100 } })
      const texts = ['a', 'b', 'c', 'd', 'e']
      for (const text of texts) client.say(text)
      await client.acknowledged(5)
      const heard = []
      const tokens = new Set<string>()
      for (let count = 0; count < 5; count++) {
        heard.push(...(await client.hear(1)))
        client.cut()
        tokens.add(client.welcome.token)
        client = await scene.resume(client, { window: { messages: 1, bytes: 100 } })
        expectThat(client.welcome.resumed, 'the same session')
      }
      expectPayloads(heard, texts)
      expectThat(tokens.size === 5, 'a new token at every attach')
    },
  ),
  serverCase(
    'resume/nothing-received',
    'resumes a session in which nothing was ever received',
    ['POSITION-3', 'RESUME-7'],
    async (scene) => {
      const client = await scene.attach()
      client.cut()
      const next = await scene.resume(client)
      expectThat(next.welcome.resumed && next.welcome.last === 0, 'the same session, empty')
    },
  ),
  serverCase(
    'resume/first-frame',
    'resumes by a HELLO in the first frame',
    ['UPGRADE-6', 'RESUME-1'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b')
      client.cut()
      client.received = 1
      const next = await scene.resume(client, { inUpgrade: false })
      expectPayloads(await next.hear(1), ['b'])
    },
  ),
  serverCase(
    'resume/acknowledgement-during-replay',
    'an acknowledgement between replayed messages shifts nothing',
    ['ACK-1', 'RESUME-1', 'DATA-1'],
    async (scene) => {
      const texts = Array.from({ length: 20 }, (_, index) => `${index + 1}`)
      const client = await talked(scene, ...texts)
      client.cut()
      client.received = 0
      const next = await scene.resume(client, { window: { messages: 4, bytes: 1_000 }, confirms: false })
      const seen: unknown[] = []
      for (let count = 4; count <= 20; count += 4) {
        await next.until(`${count} messages`, () => (next.received >= count ? true : undefined))
        next.send(`A${count - 3}`)
        next.acknowledge()
        seen.push(count)
      }
      expectPayloads(next.heard, texts)
    },
  ),
  serverCase(
    'resume/other-generation',
    'sends its inbox from the beginning to a client of another generation',
    ['RESUME-3'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b')
      client.cut()
      const next = await scene.attach({
        resume: { ...client.resume, position: { generation: 'another', offset: 2 } },
        confirms: false,
      })
      expectThat(next.welcome.resumed, 'the same session')
      expectPayloads(await next.hear(2), ['a', 'b'])
    },
  ),
  serverCase(
    'resume/impossible-offset',
    'refuses an offset that the inbox does not have',
    ['RESUME-5', 'CLOSE-2'],
    async (scene) => {
      const client = await talked(scene, 'a')
      client.cut()
      const { resume } = client
      const next = await scene.open({ resume: { ...resume, position: { ...resume.position, offset: 2 } } })
      await next.closed(CloseCode.protocolError)
    },
  ),
  serverCase(
    'resume/gap',
    'names what it no longer keeps, and goes on behind it',
    ['RESUME-4', 'GAP-1', 'GAP-3', 'WINDOW-1'],
    async (scene, { inboxMessages = 0 }) => {
      const client = await scene.attach({ window: { messages: 1, bytes: 1_000_000 } })
      client.acknowledges = false
      const count = 3 * inboxMessages
      const texts = Array.from({ length: count }, (_, index) => `${index + 1}`)
      for (let sent = 0; sent < count; sent += 100) {
        client.say(...texts.slice(sent, sent + 100))
        await client.acknowledged(Math.min(count, sent + 100))
      }
      expectPayloads(await client.hear(1), ['1'])
      client.cut()
      const next = await scene.resume(client, { window: { messages: count, bytes: 1_000_000 } })
      const { from, to, reason } = (await next.expect('gap')).body
      expectThat(from === 2 && to >= from && reason === 'overflow', 'a gap behind the first message')
      expectThat(to >= count - inboxMessages - 1, `a gap that leaves ${inboxMessages} messages`)
      expectPayloads(await next.hear(count - to), texts.slice(to))
    },
    { needs: ['inboxMessages'], timeoutMs: 30_000 },
  ),
  serverCase(
    'attach/takeover',
    'closes the connection before at once, and takes nothing more from it',
    ['ATTACH-2', 'ATTACH-3', 'ATTACH-5'],
    async (scene) => {
      const client = await talked(scene, 'a')
      const next = await scene.resume(client)
      client.say('too late')
      await client.closed(CloseCode.superseded)
      next.say('b')
      expectPayloads(await next.hear(1), ['b'])
      await next.acknowledged(2)
    },
  ),
  serverCase(
    'token/former',
    'keeps a token until the client has confirmed the next one',
    ['TOKEN-2', 'TOKEN-3'],
    async (scene) => {
      const client = await talked(scene, 'a')
      client.cut()
      for (let lost = 0; lost < 3; lost++) {
        const next = await scene.resume(client, { confirms: false })
        expectThat(next.welcome.resumed, 'the same session, though WELCOME was lost before')
        expectThat(next.welcome.token !== client.welcome.token, 'another token')
        next.cut()
      }
    },
  ),
  serverCase('token/latest', 'the new token is valid, confirmed or not', ['TOKEN-2'], async (scene) => {
    let client = await talked(scene, 'a')
    for (const confirms of [false, true, false]) {
      client.cut()
      client = await scene.resume(client, { confirms })
      expectThat(client.welcome.resumed, 'the same session')
    }
  }),
  ...['A0', 'D1,0 x'].map((message) =>
    serverCase(
      `token/confirmed-by-${message[0]!}`,
      `${message} confirms the new token, and makes the former one worthless`,
      ['TOKEN-3', 'TOKEN-4'],
      async (scene) => {
        const client = await scene.attach()
        client.cut()
        const next = await scene.attach({ resume: { ...client.resume, sent: 1 }, confirms: false })
        next.send(message)
        // It takes note at the end of its turn, whatever that is.
        next.send('P')
        await next.expect('pong')
        await pause(200)
        const thief = await scene.attach({ resume: { ...client.resume, sent: 1 } })
        expectNew(thief, client, 'unknown')
      },
    ),
  ),
  serverCase(
    'token/wrong',
    'answers a wrong token as an unknown session, whatever else is said',
    ['TOKEN-5', 'ATTACH-1', 'ATTACH-7'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b')
      const { token } = client.welcome
      for (const wrong of ['', 'x', token.slice(1), `${token} `, token.split('').reverse().join('')])
        for (const sent of [0, 2, 99])
          expectNew(await scene.attach({ resume: { ...client.resume, token: wrong, sent } }), client, 'unknown')
      client.say('c')
      await client.hear(3)
    },
  ),
  serverCase('attach/unknown', 'gives a new session for an unknown one', ['ATTACH-7', 'WELCOME-3'], async (scene) => {
    const client = await scene.attach()
    expectNew(await scene.attach({ resume: { ...client.resume, session: 'nobody' } }), client, 'unknown')
  }),
  serverCase(
    'attach/other-subject',
    'gives a new session to another subject',
    ['ATTACH-6'],
    async (scene, { auth }) => {
      const client = await talked(scene, 'a')
      expectNew(await scene.attach({ resume: client.resume, auth: auth!.other }), client, 'subject')
      client.say('b')
      await client.hear(2)
    },
    { needs: ['auth'] },
  ),
  serverCase(
    'attach/refused-changes-nothing',
    'a resume without authentication changes nothing',
    ['ATTACH-1', 'ATTACH-6'],
    async (scene, { auth }) => {
      const client = await talked(scene, 'a')
      const thief = await scene.open({ resume: client.resume, auth: auth!.refused })
      await thief.closed(CloseCode.unauthorized)
      client.say('b')
      await client.hear(2)
      client.cut()
      expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
    },
    { needs: ['auth'] },
  ),
  serverCase(
    'attach/forked',
    'gives a new session to a client that has sent less than was received, and leaves the other alone',
    ['FORK-1'],
    async (scene) => {
      const client = await talked(scene, 'a', 'b', 'c')
      expectNew(await scene.attach({ resume: { ...client.resume, sent: 2 } }), client, 'forked')
      client.say('d')
      expectPayloads(await client.hear(4), ['a', 'b', 'c', 'd'])
      client.cut()
      expectThat((await scene.resume(client)).welcome.resumed, 'the same session')
    },
  ),
  serverCase(
    'attach/forked-before-handled',
    'knows a fork by what it has received, though its application is not yet done with it',
    ['FORK-1'],
    async (scene) => {
      const client = await talked(scene, 'a')
      client.say(serverCommands.wait)
      await client.quiet(100)
      expectNew(await scene.attach({ resume: { ...client.resume, sent: 1 } }), client, 'forked')
      expectPayloads(await client.hear(2), ['a', serverCommands.wait])
    },
  ),
]
