import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createServer, type HeartlineError, type ServerOptions } from '../../src/server/index.ts'

const HOST = 'app.example:8080'

/** Asks for an upgrade with these headers. @returns the status */
async function statusFor(
  headers: string[],
  allowedOrigins?: ServerOptions['allowedOrigins'],
  errors: HeartlineError[] = [],
  version = '1.1',
): Promise<number> {
  await using server = createServer({ port: 0, ...(allowedOrigins !== undefined && { allowedOrigins }) })
  server.on('error', (error) => errors.push(error))
  const socket = connect((await server.listening).port)
  const lines = [...headers, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  lines.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: heartline.v1')
  socket.write(`GET / HTTP/${version}\r\n${lines.join('\r\n')}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(/^HTTP\/1.1 (\d+) /.exec(String(answer))![1])
}

const from = (origin: string, host = HOST): string[] => [`Host: ${host}`, `Origin: ${origin}`]

test.each([
  ['no Origin', [`Host: ${HOST}`]],
  ['the same host', from(`http://${HOST}`)],
  ['the same host behind TLS', from(`https://${HOST}`)],
  ['other letters', from('HTTP://App.EXAMPLE:8080')],
  ['the default port, which browsers leave out', from('https://app.example', 'app.example')],
])('by default %s is let in', async (_, headers) => {
  expect(await statusFor(headers)).toBe(101)
})

test.each([
  ['another host', from('https://evil.example')],
  ['another port', from('http://app.example:8081')],
  ['no port', from('http://app.example')],
  ['null', from('null')],
  ['an empty Origin', from('')],
  ['user information', from(`http://${HOST}@evil.example`)],
  ['user information before', from(`http://evil.example@${HOST}`)],
  ['a path', from(`http://${HOST}/`)],
  ['a longer name', from(`http://${HOST}.evil.example`)],
  ['a part of the name', from('http://example:8080')],
  ['another scheme', from(`file://${HOST}`)],
  ['no scheme', from(HOST)],
  ['a name that looks the same', from('http://app。example:8080')],
  ['two headers', [...from(`http://${HOST}`), 'Origin: https://evil.example']],
])('by default %s is refused', async (_, headers) => {
  expect(await statusFor(headers)).toBe(403)
})

test.each(['null', 'https://evil.example', 'http://'])('without a Host the origin %s is refused', async (origin) => {
  expect(await statusFor([`Origin: ${origin}`], undefined, [], '1.0')).toBe(403)
})

const list = ['https://app.example', 'http://localhost:3000']

test.each(['https://app.example', 'HTTPS://APP.example', 'http://localhost:3000'])(
  'a list lets %s in',
  async (origin) => {
    expect(await statusFor(from(origin), list)).toBe(101)
  },
)

test.each([
  'http://app.example',
  'https://app.example:444',
  'https://app.example.evil.example',
  'https://app.example/',
  'https://x@app.example',
  'null',
  `http://${HOST}`,
])('a list refuses %s, the own host too', async (origin) => {
  expect(await statusFor(from(origin), list)).toBe(403)
})

test('an asterisk lets everybody in', async () => {
  expect(await statusFor(from('null'), '*')).toBe(101)
})

test.each<[string, (origin: string) => any, number]>([
  ['returns true', (origin) => origin === 'https://a.example', 101],
  ['returns false', () => false, 403],
  ['returns what is only truthy', () => 'yes', 403],
  ['returns a promise', () => Promise.resolve(false), 403],
])('a function that %s decides', async (_, allowed, status) => {
  expect(await statusFor(from('https://a.example'), allowed)).toBe(status)
})

test('a function that throws lets nobody in, and the application is told', async () => {
  const errors: HeartlineError[] = []
  const allowed = (): boolean => {
    throw new Error('broken')
  }
  expect(await statusFor(from('https://a.example'), allowed, errors)).toBe(500)
  expect(errors).toMatchObject([{ code: 'ERR_PROVIDER', cause: { message: 'broken' } }])
})

test.each([['https://a.example/path'], ['a.example'], ['']])('the list entry %j is refused at once', (origin) => {
  expect(() => createServer({ port: 0, allowedOrigins: [origin] })).toThrow('allowedOrigins')
})
