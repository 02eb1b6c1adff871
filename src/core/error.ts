/** The codes of all errors that heartline throws or reports, besides the `DOMException`s of the WebSocket standard. */
export type ErrorCode =
  /** An option is missing, unknown, of the wrong type, or out of its range. */
  | 'ERR_OPTION'
  /** The outbox has reached `maxMessages` or `maxBytes`; the message was not taken. */
  | 'ERR_OUTBOX_FULL'
  /** There is no `WebSocket` in this runtime and none was given. */
  | 'ERR_NO_WEBSOCKET'
  /** A URL or protocol provider threw, rejected, or returned something that cannot be used. */
  | 'ERR_PROVIDER'

/** An error with a stable, documented `code`. */
export class HeartlineError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'HeartlineError'
    this.code = code
  }
}
