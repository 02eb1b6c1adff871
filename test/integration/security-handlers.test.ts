import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { RawClient } from './hostile/raw-client.ts'

test.each<[string, () => unknown]>([
  ['throws', () => JSON.parse('{')],
  ['rejects', () => Promise.reject(new Error('bad input'))],
])('a message whose handler %s costs its session, and not the process of all', async (_, handle) => {
  await using server = createServer({ port: 0 })
  server.on('session', (session) =>
    session.on('message', ({ data }) => (data === 'bad' ? handle() : session.send(data))),
  )
  const url = `ws://127.0.0.1:${(await server.listening).port}/`
  const other = RawClient.entering(url)
  await other.welcome()
  const client = RawClient.entering(url)
  await client.welcome()
  const warned = once(process, 'warning')
  client.send('D1,0 bad', 'D2,0 behind it')
  expect(await warned).toMatchObject([{ code: 'ERR_HANDLER' }])
  other.send('D1,0 good')
  expect(String(await other.answered('D1'))).toMatch(/^D1,\d good$/)
  expect(client.received.filter((message) => /^[DA]/.test(String(message)))).toEqual([])
  await Promise.all([client.close(), other.close()])
})

test('every message whose handler fails is delivered again, though timers are early by parts of a millisecond', async () => {
  await using server = createServer({ port: 0 })
  server.on('session', (session) => {
    session.on('error', () => {})
    session.on('message', ({ data, redelivered }) => {
      if (!redelivered) throw new Error('not now')
      return session.send(data)
    })
  })
  const url = `ws://127.0.0.1:${(await server.listening).port}/`
  const clients = Array.from({ length: 100 }, () => RawClient.entering(url))
  await Promise.all(clients.map((client) => client.welcome()))
  // At many instants.
  for (const client of clients) {
    client.send('D1,0 x')
    await new Promise((resolve) => void setImmediate(resolve))
  }
  for (const client of clients) expect(String(await client.answered('D1'))).toMatch(/^D1,\d x$/)
  await Promise.all(clients.map((client) => client.close()))
})
