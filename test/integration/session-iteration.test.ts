import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { createServer } from '../../src/server/index.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const MESSAGES = 60_000

test('a loop over the messages of a session keeps nothing of those that it is done with', async () => {
  const server = createServer({ port: 0 })
  server.on('session', async (session) => {
    for (let number = 0; number < MESSAGES; number++) {
      await session.send('x')
      // A turn for the client, so that nothing piles up in the inbox.
      if (number % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const { port } = await server.listening
  const session = connect(`ws://127.0.0.1:${port}`)
  let count = 0
  let heapBefore = 0
  for await (const { data } of session) {
    expect(data).toBe('x')
    if (++count === MESSAGES / 3) {
      collect()
      heapBefore = process.memoryUsage().heapUsed
    }
    if (count === MESSAGES) break
  }
  collect()
  // It was more than 300 bytes for each.
  expect((process.memoryUsage().heapUsed - heapBefore) / ((MESSAGES * 2) / 3)).toBeLessThan(100)
  await session.close()
  await server.close()
})

test('a loop ends with its session', async () => {
  const server = createServer({ port: 0 })
  const { port } = await server.listening
  const session = connect(`ws://127.0.0.1:${port}`)
  session.on('state', ({ state }) => {
    if (state === 'open') void session.close()
  })
  const got: unknown[] = []
  for await (const message of session) got.push(message)
  expect(got).toEqual([])
  expect(session.state).toBe('closed')
  await server.close()
})
