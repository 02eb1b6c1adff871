import type { From, Payload } from '../../protocol/frame.ts'

/** A client under test. Each case starts one of its own. */
export interface ClientSubject {
  /** After which silence it asks, and for how long it then waits. Short times make short tests: 200 ms, say. */
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number }
  /** Longest time after which it comes back when it was told no other. 100 ms, say. */
  readonly maxDelayMs: number
  /** How long an attempt may take, if that is 3,000 ms or less. */
  readonly connectTimeoutMs?: number
  /** Whether it has topics. Otherwise leave it out. */
  readonly topics?: true
  /** Starts a client. It stays until it is closed. */
  start(url: string, events: ClientEvents): ClientUnderTest | Promise<ClientUnderTest>
}

/** What the application of a client under test does with what it is told. */
export interface ClientEvents {
  /**
   * A message has come. It is handled when the promise has resolved, and only then to be acknowledged. If it rejects, the
   * message is not handled.
   *
   * @param topic that of the message, if the server has subscribed the session to it
   */
  message(data: Payload, topic?: string): Promise<void>
  /** Messages are missing; `to` is `undefined` if nobody knows how many. */
  gap(gap: { readonly from: number; readonly to: number | undefined; readonly reason: string }): void
  /** A message that was to be sent is given up, whether it went into a connection or not. */
  lost(data: Payload): void
}

/** What the application of a client under test does with what it is told of a topic that it has subscribed to. */
export interface TopicEvents extends Pick<ClientEvents, 'message' | 'gap'> {
  /** The server has refused or ended the subscription. */
  ended(reason: string): void
}

/** What a case makes a client under test do. */
export interface ClientUnderTest {
  /** @returns a promise that resolves when the server has acknowledged the message; it may reject if it never will */
  send(data: Payload): Promise<unknown>
  /** Subscribes to a topic; only if it has topics. @returns how to unsubscribe */
  subscribe?(topic: string, from: From, events: TopicEvents): () => unknown
  /** Ends the session. */
  close(): unknown
}
