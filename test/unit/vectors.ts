import { CloseCode } from '../../src/protocol/close-codes.ts'
import type { Frame, Hello, Payload } from '../../src/protocol/frame.ts'
import { Violation } from '../../src/protocol/violation.ts'
import { readDocument } from './documents.ts'

/** A payload or WebSocket message, as the test vectors have it. */
export type Written = { readonly text: string } | { readonly hex: string }

interface Named {
  readonly name: string
}

interface Decoded extends Named {
  /** `false` if the frame may be written in this way, but is not by us. */
  readonly encodes?: false
}

export interface FrameVectors {
  readonly valid: readonly (Decoded & { readonly message: Written; readonly frame: { readonly type: Frame['type'] } })[]
  readonly invalid: readonly (Named & {
    readonly rule: string
    readonly message: Written
    readonly closeCode: CloseCode
  })[]
}

export interface HelloEntryVectors {
  readonly valid: readonly (Decoded & { readonly entry: string; readonly body: Hello })[]
  readonly invalid: readonly (Named & { readonly entry: string; readonly closeCode: CloseCode })[]
  readonly other: readonly (Named & { readonly entry: string })[]
}

export interface BatchVectors {
  readonly batches: readonly (Named & {
    readonly first: number
    readonly ack: number
    readonly payloads: readonly Written[]
    readonly message: Written
  })[]
}

export function readVectors(file: 'frames' | 'hello-entries' | 'batches'): unknown {
  return JSON.parse(readDocument(`vectors/${file}.json`))
}

export function payloadOf(written: Written): Payload {
  return 'text' in written ? written.text : new Uint8Array(Buffer.from(written.hex, 'hex'))
}

/** Bytes as they are written, and everything else as it is. */
export function writtenForm(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') }
  if (Array.isArray(value))
    return value.map((inner) => (typeof inner === 'string' ? { text: inner } : writtenForm(inner)))
  return value
}

/** The close code of the violation that a call throws. */
export function closeCodeOf(call: () => unknown): CloseCode | undefined {
  try {
    call()
  } catch (error) {
    if (error instanceof Violation) return error.closeCode
    throw error
  }
  return undefined
}
