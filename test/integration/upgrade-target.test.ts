import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createServer } from '../../src/server/index.ts'

test.each(['//', '//:0/', 'http://[', '*', '/\u0080', '/?a=//'])(
  'an upgrade request with the target %j ends that connection, and no other',
  async (target) => {
    await using server = createServer({ port: 0, path: '/live' })
    const { port } = await server.listening
    const socket = connect(port)
    socket.write(`GET ${target} HTTP/1.1\r\nHost: host\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, 'latin1')
    socket.resume()
    await once(socket, 'close')
    const later = connect(port)
    await once(later, 'connect')
    later.destroy()
    expect(server.stats.connections).toBe(0)
  },
)

test.each(['/live', '/live?a=//', 'http://host/live', 'HTTP://host:1/live?'])(
  'a client comes in by the target %s',
  async (target) => {
    await using server = createServer({ port: 0, path: '/live' })
    const { port } = await server.listening
    const socket = connect(port)
    const lines = ['Host: host', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    lines.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: heartline.v1')
    socket.write(`GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(String(answer)).toMatch(/^HTTP\/1.1 101 /)
    socket.destroy()
  },
)
