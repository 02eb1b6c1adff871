/** What the application sends: text in text messages, bytes in binary ones. */
export type Payload = string | Uint8Array

/** How much may be unacknowledged in one direction. @see PROTOCOL.md#windows */
export interface Window {
  readonly messages: number
  /** A text counts one for each UTF-16 code unit, so that nothing has to be encoded to be counted. */
  readonly bytes: number
}

/** Where a reader of a stream is: it has all up to this offset. @see PROTOCOL.md#positions */
export interface Position {
  /** Identity of the stream's history. */
  readonly generation: string
  readonly offset: number
}

/** What a client resumes with. @see PROTOCOL.md#hello */
export interface Resume {
  readonly session: string
  /** The session's secret. */
  readonly token: string
  /** Its place in the inbox. */
  readonly position: Position
  /** The highest number that it has used. */
  readonly sent: number
  /** Rises with every HELLO of the client, so that one which arrives late is known as such. */
  readonly attempt?: number
}

/** @see PROTOCOL.md#hello */
export interface Hello {
  /** Absent for a new session. */
  readonly resume?: Resume
  /** What the server's `authenticate` gets. */
  readonly auth?: unknown
  /** What the client takes from the server. */
  readonly window: Window
}

/** Why a session could not be resumed, or part of a stream is gone. @see PROTOCOL.md#gap */
export type GapReason =
  /** The server does not know the session: it has expired, ended, or the server's memory is gone. */
  | 'unknown'
  /** The client is now authenticated as somebody else. */
  | 'subject'
  /** Another client with the same token has sent under this session's numbers. */
  | 'forked'
  /** The history of the stream is another one than the client's position belongs to. */
  | 'generation'
  /** The server has let go of the oldest messages, because its limit for the session was reached. */
  | 'overflow'

/** @see PROTOCOL.md#welcome */
export interface Welcome {
  readonly session: string
  readonly token: string
  readonly generation: string
  /** Whether this is the session of the HELLO. */
  readonly resumed: boolean
  /** Why not, if the HELLO named one. */
  readonly reason?: GapReason
  /** Last number of the client that need not be sent again… */
  readonly received: number
  /** …and the last one that is acknowledged. */
  readonly accepted: number
  /** Last offset of the inbox. */
  readonly last: number
  /** What the server takes from the client. */
  readonly window: Window
  /** The largest message that the server takes. */
  readonly maxMessageBytes: number
  /** How long the server keeps the session without a connection. */
  readonly ttlMs: number
}

/** @see PROTOCOL.md#reject */
export interface Reject {
  readonly code: number
  readonly reason: string
  /** The client SHOULD NOT come back earlier. */
  readonly retryAfterMs?: number
}

/** @see PROTOCOL.md#gap */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly reason: GapReason
}

/** @see PROTOCOL.md#goaway */
export interface Goaway {
  /** The client moves at a random instant within this time. */
  readonly withinMs: number
}

/** The frames, decoded. @see PROTOCOL.md#frames */
export type Frame =
  | { readonly type: 'hello'; readonly body: Hello }
  | { readonly type: 'welcome'; readonly body: Welcome }
  | { readonly type: 'reject'; readonly body: Reject }
  | { readonly type: 'data'; readonly first: number; readonly ack: number; readonly payloads: readonly Payload[] }
  | { readonly type: 'ack'; readonly ack: number }
  | { readonly type: 'nack'; readonly expected: number }
  | { readonly type: 'gap'; readonly body: Gap }
  | { readonly type: 'ping'; readonly latencyMs: number | undefined }
  | { readonly type: 'pong' }
  | { readonly type: 'goaway'; readonly body: Goaway }
  | { readonly type: 'bye'; readonly last: number; readonly ack: number }
