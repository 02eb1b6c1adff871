import { optionError } from '../core/option.ts'
import type { Payload } from '../protocol/frame.ts'

/**
 * What the application wants to send, as it is now: it may change its buffer afterwards.
 *
 * @throws HeartlineError `ERR_OPTION` for what is neither text nor bytes
 */
export function toPayload(data: unknown): Payload {
  if (typeof data === 'string') return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  if (Object.prototype.toString.call(data) === '[object ArrayBuffer]')
    return new Uint8Array(data as ArrayBuffer).slice()
  throw optionError('Expected text or bytes to send. Objects have to be encoded first, for instance as JSON.')
}
