/** What a WebSocket sends. */
export type Data = string | ArrayBufferLike | ArrayBufferView | Blob

const encoder = /* @__PURE__ */ new TextEncoder()

/** Tells what an object is, also one of another realm, such as an iframe. */
const isA = (kind: RegExp, data: unknown): boolean =>
  typeof data === 'object' && kind.test(Object.prototype.toString.call(data))

const isBuffer = (data: unknown): data is ArrayBuffer => isA(/ArrayBuffer/, data)
const isBlob = (data: unknown): data is Blob => isA(/Blob|File/, data)

/** Whether it is sent as it is, and not as text. */
export const isBinary = (data: unknown): boolean => ArrayBuffer.isView(data) || isBuffer(data) || isBlob(data)

/** Bytes that the data takes on the wire, framing aside. */
export function byteLength(data: unknown): number {
  if (ArrayBuffer.isView(data) || isBuffer(data)) return data.byteLength
  if (isBlob(data)) return data.size
  return encoder.encode(String(data)).length
}

/**
 * The data as it is now: what the application does to its buffer after `send()` must not change what is sent later.
 * Anything that is neither binary nor a string becomes one, as the WebSocket standard has it.
 */
export function snapshot(data: Data): Data {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  return isBuffer(data) ? new Uint8Array(data).slice() : isBlob(data) ? data : String(data)
}
