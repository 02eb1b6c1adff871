import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createServer } from '../../src/server/index.ts'

/** What the server sends, by the letter of the frame, and how it closes. A client that says `reply` to each letter. */
async function talk(port: number, reply: (frame: string) => string | undefined): Promise<string[]> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}`, ['heartline.v1'])
  const seen: string[] = []
  return new Promise((resolve, reject) => {
    webSocket.on('error', reject)
    webSocket.on('open', () => webSocket.send('H {"window":{"messages":10,"bytes":1000}}'))
    webSocket.on('message', (data: Buffer) => {
      const frame = String(data)
      seen.push(frame[0] === 'W' ? 'W' : frame)
      const answer = reply(frame)
      if (answer) webSocket.send(answer)
    })
    webSocket.on('close', (code) => resolve([...seen, `close ${code}`]))
  })
}

test('a client that says BYE gets one in answer, before the close', async () => {
  await using server = createServer({ port: 0 })
  const { port } = await server.listening
  expect(await talk(port, (frame) => (frame[0] === 'W' ? 'E0,0' : undefined))).toEqual(['W', 'E0,0', 'close 1000'])
})

test('a server that says BYE says it once, and nothing behind it', async () => {
  await using server = createServer({ port: 0 })
  const { port } = await server.listening
  server.on('session', (session) => {
    session.on('message', () => {
      void session.close()
    })
  })
  const seen = await talk(port, (frame) => {
    if (frame[0] === 'W') return 'D1,0 hello'
    if (frame[0] !== 'E') return
    // It crosses what the application sends all the same.
    for (const session of server.sessions()) void session.send('too late')
    return 'E1,0'
  })
  expect(seen.filter((frame) => frame[0] === 'E' || frame[0] === 'D')).toEqual(['E0,1'])
  expect(seen.at(-1)).toBe('close 1000')
})
