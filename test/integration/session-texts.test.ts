import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { connect } from '../../src/client/node.ts'
import type { Session } from '../../src/client/index.ts'
import { createServer } from '../../src/server/index.ts'

/** Around each length at which a WebSocket frame has another form, headers of DATA counted; ASCII and not, and bytes between. */
const texts = [0, 1, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 255, 256]
  .concat([
    500, 501, 502, 503, 504, 505, 511, 512, 513, 4_096, 65_524, 65_525, 65_526, 65_527, 65_528, 65_529, 65_530, 65_535,
    65_536, 70_000,
  ])
  .flatMap((length) => ['a'.repeat(length), 'a'.repeat(length) + 'é', 'a'.repeat(length) + '😀\u0080\0'])
const messages: (string | Uint8Array)[] = texts.flatMap((text) => [text, Buffer.from(text)])

/** Sends all of them one by one and then all at once. @returns what came back */
async function echoed(client: Session): Promise<(string | Uint8Array)[]> {
  const back: (string | Uint8Array)[] = []
  let arrived = (): void => {}
  client.on('message', ({ data }) => {
    back.push(data)
    arrived()
  })
  for (const message of messages) {
    const came = new Promise<void>((resolve) => (arrived = resolve))
    await client.send(message)
    await came
  }
  const all = new Promise<void>((resolve) => (arrived = () => back.length === 2 * messages.length && resolve()))
  for (const message of messages) void client.send(message)
  await all
  return back
}

describe('texts and bytes of all lengths arrive as they are, in order', () => {
  const expected = [...messages, ...messages].map(String)

  test('over TCP', async () => {
    const server = createServer({ port: 0 })
    server.on('session', (session) => session.on('message', ({ data }) => session.send(data)))
    const { port } = await server.listening
    const client = connect(`ws://127.0.0.1:${port}`)
    const back = await echoed(client)
    expect(back.map((data) => (typeof data === 'string' ? data : String(Buffer.from(data))))).toEqual(expected)
    await client.close()
    await server.close()
  })

  test('over TLS', async () => {
    // With a shared key, which needs no certificate.
    const key = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
    const psk = Buffer.from('a secret of both')
    const secureServer = createSecureServer({ ...key, pskCallback: () => psk })
    const server = createServer({ server: secureServer })
    server.on('session', (session) => session.on('message', ({ data }) => session.send(data)))
    await once(secureServer.listen(0, '127.0.0.1'), 'listening')
    const options = {
      ...key,
      pskCallback: () => ({ psk, identity: 'client' }),
      checkServerIdentity: () => undefined,
    } as unknown as ClientOptions
    class SecureWebSocket extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, options)
      }
    }
    const { port } = secureServer.address() as AddressInfo
    const client = connect(`wss://127.0.0.1:${port}`, { WebSocket: SecureWebSocket })
    const back = await echoed(client)
    expect(back.map((data) => (typeof data === 'string' ? data : String(Buffer.from(data))))).toEqual(expected)
    await client.close()
    await server.close()
    secureServer.close()
  })
})
