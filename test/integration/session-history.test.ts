import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { examine, faultless } from './history.ts'
import { test } from './session-scene.ts'

describe('the history checker', () => {
  const sent = ['a', 'b', 'c', 'd']

  it('finds nothing in what arrived once and in order', () => {
    expect(examine({ sent, delivered: ['a', 'b', 'c', 'd'] })).toEqual(faultless)
  })

  it.each([
    ['lost', ['a', 'c', 'd'], { lost: ['b'] }],
    ['lost at the end', ['a', 'b'], { lost: ['c', 'd'] }],
    ['duplicated', ['a', 'b', 'b', 'c', 'd'], { duplicated: ['b'] }],
    ['duplicated much later', ['a', 'b', 'c', 'd', 'a'], { duplicated: ['a'] }],
    ['reordered', ['a', 'c', 'b', 'd'], { reordered: ['b'] }],
    ['changed', ['a', 'B', 'c', 'd'], { lost: ['b'], invented: ['B'] }],
  ])('finds what was %s', (_, delivered, findings) => {
    expect(examine({ sent, delivered })).toEqual({ ...faultless, ...findings })
  })

  it('cannot be used with messages that cannot be told apart', () => {
    expect(() => examine({ sent: ['a', 'a'], delivered: ['a'] })).toThrow('two messages are the same')
  })
})

test('a WebSocket without a session loses what was sent into a dead path, and the checker finds it', async ({
  scene,
}) => {
  const server = await scene.server()
  const proxy = await scene.proxy(server)
  const sent: string[] = []
  const connect = async (url: string) => {
    const socket = new WebSocket(url)
    scene.atEnd(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  const send = (socket: WebSocket) => {
    const message = `message ${sent.length + 1}`
    sent.push(message)
    socket.send(message)
  }
  const first = await connect(proxy.url)
  send(first)
  await scene.journal.until('the first message', () => server.received.length === 1)
  proxy.blackHole()
  send(first)
  send(first)
  // It comes back over another path.
  send(await connect(server.url))
  await scene.journal.until('the last message', () => server.received.includes('message 4'))
  expect(examine({ sent, delivered: server.received.map(String) })).toEqual({
    ...faultless,
    lost: ['message 2', 'message 3'],
  })
})
