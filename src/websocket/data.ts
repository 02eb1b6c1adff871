import type { Data } from './options.ts'

const encoder = /* @__PURE__ */ new TextEncoder()

/** Bytes that the data takes on the wire, framing aside. */
export function byteLength(data: unknown): number {
  if (data instanceof Blob) return data.size
  return ArrayBuffer.isView(data) || data instanceof ArrayBuffer ? data.byteLength : encoder.encode(String(data)).length
}

/**
 * The data as it is now: what the application does to its buffer after `send()` must not change what is sent later.
 * Anything that is neither binary nor a string becomes one, as the WebSocket standard has it.
 */
export function snapshot(data: Data): Data {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  return data instanceof ArrayBuffer ? data.slice(0) : data instanceof Blob ? data : String(data)
}
