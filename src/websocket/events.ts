/** The event of `close`: the code and reason are those of the peer, or one of heartline's `CloseCode`s. */
export interface CloseEventLike extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

interface MessageFields extends Event {
  readonly data: any
  readonly origin: string
}

/** The event of `message`: a `MessageEvent`, wherever the types of the platform have one. */
export type MessageEventLike = typeof globalThis extends {
  MessageEvent: { prototype: infer Platform extends MessageFields }
}
  ? Platform
  : MessageFields

/** The event of `error`; in runtimes that tell the cause, `error` holds it. */
export interface ErrorEventLike extends Event {
  readonly error?: unknown
  readonly message?: string
}

/** The events of a WebSocket. */
export interface SocketEventMap {
  open: Event
  message: MessageEventLike
  error: ErrorEventLike
  close: CloseEventLike
}

/** The platform's `CloseEvent`, or one that does the same where there is none (Node before 23). */
export function closeEvent(init: { code: number; reason: string; wasClean: boolean }): Event {
  return globalThis.CloseEvent ? new CloseEvent('close', init) : Object.assign(new Event('close'), init)
}
