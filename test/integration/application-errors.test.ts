import { afterAll, beforeAll, describe, expect } from 'vitest'
import { heartbeat as usual, quickly, test, type Scene } from './scene.ts'
import { takeUncaught } from './uncaught.ts'

const heartbeat = { ...usual, intervalMs: 100 }

/** Called with every uncaught exception of the process; so these tests are not concurrent. */
let take = (error: unknown): void => {
  throw error
}
let giveBack: () => void
beforeAll(() => {
  giveBack = takeUncaught((error) => take(error))
})
afterAll(() => giveBack())

/** A function that throws as long as the test runs, and what came of that. */
function mistake(scene: Scene) {
  const uncaught: unknown[] = []
  let isOver = false
  take = (error) => {
    uncaught.push(error)
    scene.journal.note('uncaught', error)
  }
  scene.atEnd(() => (isOver = true))
  const failure = new Error('a mistake of the application')
  const fail = (): any => {
    if (!isOver) throw failure
  }
  const reported = (count: number) => scene.journal.until(`${count} reports`, () => uncaught.length >= count)
  return { uncaught, failure, fail, reported }
}

describe('an error of the application is reported as uncaught, and nothing stops', () => {
  test.for(['open', 'message', 'error', 'close', 'statechange', 'drop'] as const)(
    'in a listener of %s',
    async (type, { scene }) => {
      const { uncaught, failure, fail } = mistake(scene)
      const server = await scene.server({ connected: ({ socket }) => socket.send('hello') })
      const client = scene.reconnectingWebSocket(server.url, { outbox: { maxMessages: 1, onOverflow: 'dropOldest' } })
      client.socket[`on${type}`] = fail
      client.socket.send('dropped')
      client.socket.send('held')
      for (let cuts = 1; cuts <= 2; cuts++) {
        await scene.journal.until(`message ${cuts}`, () => client.messages.length === cuts)
        // An invalid frame: `ws` fires error and then close.
        server.last!.tcp.write(Buffer.from([0xf1, 0]))
      }
      await scene.journal.until('message 3', () => client.messages.length === 3)
      expect(client.opens).toBe(3)
      expect(server.received).toEqual(['held'])
      expect(uncaught.length).toBeGreaterThan(0)
      for (const error of uncaught) expect(error).toBe(failure)
    },
  )

  test('in isReply: the message counts as one of the application', async ({ scene }) => {
    const { uncaught, failure, fail } = mistake(scene)
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { heartbeat: { ...heartbeat, isReply: fail } })
    await scene.journal.until('two replies', () => client.messages.length === 2)
    expect(client.messages).toEqual(['pong', 'pong'])
    expect(uncaught).toEqual([failure, failure])
    expect(client.closes).toEqual([])
  })

  test('in the message function: no heartbeat goes out, and nobody is declared dead for it', async ({ scene }) => {
    const { uncaught, failure, fail, reported } = mistake(scene)
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { heartbeat: { ...heartbeat, message: fail } })
    // 100 ms apart, so that the time for an answer is over long before the last one.
    await reported(8)
    for (const error of uncaught) expect(error).toBe(failure)
    expect(server.heartbeats).toBe(0)
    expect(client.closes).toEqual([])
    expect(client.socket.state).toBe('open')
  })

  test('in the message function once: later replies prove what they would have proved anyway', async ({ scene }) => {
    const { uncaught, failure, fail } = mistake(scene)
    // Behind each reply comes a message, so that the test knows when the client has got the reply.
    const server = await scene.server({ connected: ({ socket }) => socket.on('message', () => socket.send('heard')) })
    let calls = 0
    const message = () => {
      if (++calls > 1) return 'ping'
      // Some sign of life, so that the connection lives on.
      server.last!.socket.send('still here')
      return fail()
    }
    const client = scene.reconnectingWebSocket(server.url, { heartbeat: { ...heartbeat, message } })
    await scene.journal.until('a sign of life', () => client.messages.length === 1)
    client.socket.send('proved by the reply to the heartbeat that follows')
    await scene.journal.until('that reply', () => client.messages.length === 3)
    server.last!.socket.terminate()
    await scene.journal.until('open again', () => client.opens === 2)
    expect(client.inDoubt).toEqual([])
    expect(uncaught).toEqual([failure])
  })

  test('in shouldReconnect: it reconnects', async ({ scene }) => {
    const { uncaught, failure, fail } = mistake(scene)
    const server = await scene.server()
    const client = scene.reconnectingWebSocket(server.url, { reconnect: { ...quickly, shouldReconnect: fail } })
    await scene.journal.until('open', () => client.opens === 1)
    server.last!.socket.close(1000)
    await scene.journal.until('open again', () => client.opens === 2)
    expect(uncaught).toEqual([failure])
  })

  test('in a listener of HeartbeatWebSocket: the others are called, and the heartbeat goes on', async ({ scene }) => {
    const { uncaught, failure, fail, reported } = mistake(scene)
    const server = await scene.server({ connected: ({ socket }) => socket.send('hello') })
    const client = scene.heartbeatWebSocket(server.url, { heartbeat })
    client.socket.onopen = client.socket.onmessage = client.socket.onclose = fail
    await scene.journal.until('two heartbeats', () => server.heartbeats === 2)
    expect(client.messages).toEqual(['hello'])
    server.last!.socket.close(1000)
    await scene.journal.until('close', () => client.closes.length)
    await reported(3)
    expect(client.opens).toBe(1)
    expect(uncaught).toEqual([failure, failure, failure])
  })
})
