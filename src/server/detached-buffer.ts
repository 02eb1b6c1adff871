import { Buffer } from 'node:buffer'

/** A message that does not keep what came with it from the network alive: a byte could cost 64 KiB as long as it waits. */
export function detachedBuffer(data: Buffer): Buffer {
  if (2 * data.length >= data.buffer.byteLength) return data
  const copy = Buffer.allocUnsafeSlow(data.length)
  data.copy(copy)
  return copy
}
