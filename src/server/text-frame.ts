import { Buffer } from 'node:buffer'

/** The length of more than these takes eight bytes. */
const MAX_LENGTH = 65_535

/**
 * A text as a server's WebSocket frame, one character for each byte of it, to be written as `latin1`: in one piece, where `ws`
 * writes a header and then a text, which takes half as long again.
 *
 * @returns `undefined` for what is long, or not all ASCII
 * @see RFC 6455, section 5.2
 */
export function textFrame(text: string): string | undefined {
  const { length } = text
  if (length > MAX_LENGTH || Buffer.byteLength(text) !== length) return
  const lengths = length < 126 ? String.fromCharCode(length) : `~${String.fromCharCode(length >> 8, length & 255)}`
  return `\x81${lengths}${text}`
}
