import { encodeHello, encodeHelloEntry } from '../../protocol/encode.ts'
import { CloseCode } from '../../protocol/close-codes.ts'
import { PROTOCOL } from '../../protocol/limits.ts'
import { expectThat } from './raw-connection.ts'
import { helloOf } from './raw-client.ts'
import { serverCase } from './server-scene.ts'

const entry = encodeHelloEntry(helloOf({}))

/** What comes before the first message. */
export const serverHandshakeCases = [
  serverCase(
    'handshake/in-upgrade',
    'answers a HELLO in the upgrade request with WELCOME',
    ['UPGRADE-2', 'WELCOME-1', 'WELCOME-3', 'POSITION-3', 'TOKEN-1'],
    async (scene) => {
      const client = await scene.attach()
      expectThat(client.protocol === PROTOCOL, `the subprotocol ${PROTOCOL}, not ${client.protocol}`)
      const { session, token, generation, resumed, reason, received, accepted } = client.welcome
      expectThat(!resumed && reason === undefined, 'a new session, without a reason')
      expectThat(received === 0 && accepted === 0, 'a session in which nothing was received')
      expectThat(!!session && !!generation, 'names of session and generation')
      expectThat(token.length >= 20, 'a token of at least 128 random bits')
      expectThat(client.frames[0]!.type === 'welcome', 'WELCOME as first frame')
    },
  ),
  serverCase(
    'handshake/first-frame',
    'answers a HELLO in the first frame with WELCOME',
    ['UPGRADE-2', 'UPGRADE-6', 'WELCOME-1'],
    async (scene) => {
      const client = await scene.attach({ inUpgrade: false })
      expectThat(client.protocol === PROTOCOL, `the subprotocol ${PROTOCOL}, not ${client.protocol}`)
    },
  ),
  serverCase('handshake/other-offers', 'finds its entries among others', ['UPGRADE-2', 'UPGRADE-5'], async (scene) => {
    // Where authentication is asked for, there is none in this entry, and REJECT is an answer, too.
    const client = await scene.open({ protocols: ['chat', PROTOCOL, 'heartline.v99', entry] })
    expectThat(client.protocol === PROTOCOL, `the subprotocol ${PROTOCOL}, not ${client.protocol}`)
    await client.until('WELCOME or REJECT', () => client.frames[0])
  }),
  serverCase(
    'handshake/not-offered',
    'refuses an upgrade that does not offer the subprotocol',
    ['UPGRADE-1'],
    async (scene) => {
      for (const protocols of [[], ['chat'], ['heartline.v99'], [entry]]) {
        const status = await scene.refusal({ protocols })
        expectThat(status >= 400 && status < 500, `a status from 400 to 499, not ${status}`)
      }
    },
  ),
  serverCase('handshake/malformed-entry', 'refuses a malformed HELLO entry', ['UPGRADE-5'], async (scene) => {
    for (const rest of ['', 'x', '%7', '%7B%7D', 'null', '%FF', entry.slice(16, -3)]) {
      const status = await scene.refusal({ protocols: [PROTOCOL, `heartline.hello.${rest}`] })
      expectThat(status === 400, `the status 400, not ${status}`)
    }
  }),
  serverCase('handshake/foreign-origin', 'refuses pages of other origins', ['UPGRADE-8'], async (scene) => {
    const status = await scene.refusal({ headers: { origin: 'https://elsewhere.invalid' } })
    expectThat(status === 403, `the status 403, not ${status}`)
  }),
  serverCase(
    'handshake/timeout',
    'does not wait for ever for a HELLO, and says nothing before it',
    ['UPGRADE-7', 'WELCOME-1'],
    async (scene, { handshakeTimeoutMs = 0 }) => {
      const client = await scene.open({ protocols: [PROTOCOL] })
      await client.closedWithin(handshakeTimeoutMs + 2_000, CloseCode.handshakeTimeout)
      expectThat(!client.frames.length, 'no frame before HELLO')
    },
    { needs: ['handshakeTimeoutMs'] },
  ),
  ...['D1,0 x', 'A0', 'P', 'Q', 'E0,0', 'R {"code":4903,"reason":""}', 'H {}', 'hello', ''].map((message, index) =>
    serverCase(
      `handshake/before-hello-${index + 1}`,
      `refuses ${message || 'an empty message'} as first frame`,
      ['HELLO-2', 'FRAME-6'],
      async (scene) => {
        const client = await scene.open({ protocols: [PROTOCOL] })
        client.send(message)
        await client.closed(CloseCode.protocolError)
      },
    ),
  ),
  serverCase('handshake/second-hello', 'refuses a second HELLO', ['HELLO-1'], async (scene, { auth }) => {
    for (const inUpgrade of [true, false]) {
      const client = await scene.attach({ inUpgrade })
      client.send(encodeHello(helloOf({ auth: auth?.accepted })))
      await client.closed(CloseCode.protocolError)
    }
  }),
  serverCase(
    'handshake/replayed-hello',
    'a HELLO that was used once opens no session a second time',
    ['HELLO-1', 'TOKEN-4'],
    async (scene) => {
      const first = await scene.attach()
      const { resume } = first
      const second = await scene.attach({ resume })
      const replayed = await scene.attach({ resume })
      expectThat(!replayed.welcome.resumed, 'that a used token resumes nothing')
      second.say('still mine')
      await second.hear(1)
    },
  ),
  serverCase(
    'handshake/unknown-fields',
    'ignores fields that it does not know',
    ['FRAME-5'],
    async (scene, { auth }) => {
      const client = await scene.open({ protocols: [PROTOCOL] })
      const hello = { ...helloOf({ auth: auth?.accepted }), later: { more: [1] } }
      client.send(`H ${JSON.stringify(hello)}`)
      await client.expect('welcome')
    },
  ),
  serverCase('handshake/long-hello', 'takes a HELLO of 4,096 characters', ['HELLO-5'], async (scene, { auth }) => {
    const client = await scene.open({ protocols: [PROTOCOL] })
    const hello = encodeHello({ ...helloOf({ auth: auth?.accepted }), padding: '' } as never)
    client.send(hello.replace('"padding":"', `"padding":"${'x'.repeat(4_096 - hello.length)}`))
    await client.expect('welcome')
  }),
  serverCase('handshake/giant-hello', 'refuses a HELLO of a megabyte', ['HELLO-5'], async (scene) => {
    const client = await scene.open({ protocols: [PROTOCOL] })
    client.send(encodeHello({ ...helloOf({}), auth: 'x'.repeat(1_000_000) }))
    await client.closed(CloseCode.tooLarge, 1009, 1006)
  }),
  serverCase(
    'handshake/unauthorized',
    'rejects whom it does not know, with a final code',
    ['REJECT-1', 'ATTACH-6'],
    async (scene, { auth }) => {
      for (const inUpgrade of [true, false]) {
        const client = await scene.open({ auth: auth!.refused, inUpgrade })
        const { code } = (await client.expect('reject')).body
        expectThat(code === CloseCode.unauthorized, `the code 4901, not ${code}`)
        await client.closed(code)
      }
    },
    { needs: ['auth'] },
  ),
  serverCase(
    'handshake/later',
    'rejects whom it cannot judge now, and says when to come back',
    ['REJECT-1'],
    async (scene, { auth }) => {
      const client = await scene.open({ auth: auth!.later })
      const { code, retryAfterMs = 0 } = (await client.expect('reject')).body
      expectThat(code === CloseCode.tryLater, `the code 4803, not ${code}`)
      expectThat(retryAfterMs > 0, 'a time after which to come back')
      await client.closed(code)
    },
    { needs: ['auth'] },
  ),
]
