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

/** Where a subscription begins: behind all that there is, before all that is kept, before the last few, or at a place. */
export type From = 'now' | 'first' | { readonly last: number } | Position

/** @see PROTOCOL.md#sub */
export interface Sub {
  /** The client's name for the subscription, never used again in a session. */
  readonly ref: number
  readonly topic: string
  readonly from: From
}

/** @see PROTOCOL.md#subbed */
export interface Subbed {
  /** That of SUB; 0 if the server has subscribed the session. */
  readonly ref: number
  readonly topic: string
  /** The server's name for the topic on this connection. */
  readonly id: number
  readonly generation: string
  /** What follows is behind this offset. */
  readonly offset: number
  /** Last offset of the topic. */
  readonly last: number
}

/** @see PROTOCOL.md#unsub */
export interface Unsub {
  readonly ref: number
  /** Only from the server. */
  readonly topic?: string
  /** Only from the server. */
  readonly reason?: string
  /** Only from the client, which goes on later, by another SUB. */
  readonly pause?: boolean
}

/** @see PROTOCOL.md#hello */
export interface Hello {
  /** Absent for a new session. */
  readonly resume?: Resume
  /** What the server's `authenticate` gets. */
  readonly auth?: unknown
  /** What the client takes from the server: of its inbox, and as much again of all topics together. */
  readonly window: Window
  /** Subscriptions that go on or begin; those for which there is no room follow as SUB. */
  readonly topics?: readonly Sub[]
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
  /** The server has let go of the oldest messages, because a limit of the inbox or the topic was reached. */
  | 'overflow'
  /** The server has begun a subscription behind the client's position. */
  | 'skipped'

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
  /** The topic; absent for the inbox. */
  readonly topic?: number
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
  /** `messages` and `bytes` of topics were taken on this connection; only from a client that has some. */
  | {
      readonly type: 'ack'
      readonly ack: number
      readonly messages: number | undefined
      readonly bytes: number | undefined
    }
  | { readonly type: 'nack'; readonly expected: number }
  | { readonly type: 'gap'; readonly body: Gap }
  | { readonly type: 'ping'; readonly latencyMs: number | undefined }
  | { readonly type: 'pong' }
  | { readonly type: 'goaway'; readonly body: Goaway }
  | { readonly type: 'bye'; readonly last: number; readonly ack: number }
  | { readonly type: 'sub'; readonly body: Sub }
  | { readonly type: 'subbed'; readonly body: Subbed }
  | { readonly type: 'unsub'; readonly body: Unsub }
  | { readonly type: 'tdata'; readonly topic: number; readonly first: number; readonly payloads: readonly Payload[] }
  | { readonly type: 'volatile'; readonly topic: number; readonly payloads: readonly Payload[] }
  | { readonly type: 'skip'; readonly topic: number; readonly first: number; readonly last: number }
