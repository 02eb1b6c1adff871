/** The codes of all errors that heartline throws or reports, besides the `DOMException`s of the WebSocket standard. */
export type ErrorCode =
  /** An option is missing, unknown, of the wrong type, or out of its range. */
  | 'ERR_OPTION'
  /** The outbox has reached `maxMessages` or `maxBytes`; the message was not taken. */
  | 'ERR_OUTBOX_FULL'
  /** There is no `WebSocket` in this runtime and none was given. */
  | 'ERR_NO_WEBSOCKET'
  /** A URL, protocol or auth provider threw, rejected, or returned something that cannot be used. */
  | 'ERR_PROVIDER'
  /** A message is larger than the server takes; it was not sent. */
  | 'ERR_MESSAGE_TOO_LARGE'
  /** The session is over, or was replaced by another one: the message may have arrived or not, see `lost`. */
  | 'ERR_SESSION_LOST'
  /** `close()` was called before: the message was not taken. */
  | 'ERR_SESSION_CLOSED'
  /** The application could not handle a message; it is delivered again. */
  | 'ERR_HANDLER'
  /** The port or address of the server cannot be had. */
  | 'ERR_LISTEN'
  /** The session has subscribed to the topic already. */
  | 'ERR_SUBSCRIBED'
  /** The server has refused a subscription, or ended it. */
  | 'ERR_UNSUBSCRIBED'
  /** A client asked for a topic, and the server has no `authorize`: it was not given any. */
  | 'ERR_NO_AUTHORIZE'
  /** The store failed or does not answer as its contract says. */
  | 'ERR_STORE'

/** An error with a stable, documented `code`. */
export class HeartlineError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'HeartlineError'
    this.code = code
  }
}
