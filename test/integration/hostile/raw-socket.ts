import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeHelloEntry } from '../../../src/protocol/encode.ts'
import { PROTOCOL } from '../../../src/protocol/limits.ts'
import { hello } from './raw-client.ts'

/** A TCP connection that has been upgraded by hand. It answers nothing by itself, not even the end of the other side. */
export async function upgradedSocket(port: number, entries = [PROTOCOL, encodeHelloEntry(hello)]): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  const lines = [
    'GET / HTTP/1.1',
    'Host: host',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
  ]
  lines.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', `Sec-WebSocket-Protocol: ${entries.join(', ')}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`No upgrade: ${answer}`)
  return socket
}

/** A client's WebSocket frame; the mask is zero. */
export function maskedFrame(opcode: number, payload: string | Uint8Array, isLast = true): Buffer {
  const body = Buffer.from(payload as string)
  const { length } = body
  const first = (isLast ? 0x80 : 0) | opcode
  if (length < 126) return Buffer.concat([Buffer.from([first, 0x80 | length, 0, 0, 0, 0]), body])
  const header = Buffer.alloc(length < 65_536 ? 8 : 14)
  header[0] = first
  header[1] = 0x80 | (length < 65_536 ? 126 : 127)
  if (length < 65_536) header.writeUInt16BE(length, 2)
  else header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, body])
}

/** Types of WebSocket frames. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
