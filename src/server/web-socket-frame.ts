import { Buffer } from 'node:buffer'
import type { Payload } from '../protocol/frame.ts'

const FINAL_TEXT = 0x81
const FINAL_BINARY = 0x82

/** A server's message as it goes to the wire: for those that many get, or that are sent all the time. @see RFC 6455, section 5.2 */
export function webSocketFrame(message: Payload): Buffer {
  const isText = typeof message === 'string'
  const length = isText ? Buffer.byteLength(message) : message.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = isText ? FINAL_TEXT : FINAL_BINARY
  if (headerLength === 2) frame[1] = length
  else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUIntBE(0, 2, 2)
    frame.writeUIntBE(length, 4, 6)
  }
  if (isText) frame.write(message, headerLength)
  else frame.set(message, headerLength)
  return frame
}
