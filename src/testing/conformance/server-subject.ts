/**
 * A server under test. Its application does this with a message, in each session:
 *
 * - it sends it back as it came, text as text and bytes as bytes, and then acknowledges it;
 * - but the text `!end` makes it end the session from its side;
 * - and the text `!wait` makes it wait for a second before it sends it back.
 *
 * Give each case a server of its own, or one that others have left as they found it.
 */
export interface ServerSubject {
  /** Where it listens: `ws://…` */
  readonly url: string
  /** After which silence it asks, and for how long it then waits. Short times make short tests: 200 ms, say. */
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number }
  /** What clients say as `auth`, if the server does not take everybody. */
  readonly auth?: {
    /** Is let in. */
    readonly accepted: unknown
    /** Is let in as somebody else. */
    readonly other: unknown
    /** Is not let in: 4901. */
    readonly refused: unknown
    /** Cannot be judged now: 4803, and when to come back. */
    readonly later: unknown
  }
  /** How long a connection has for its handshake, if that is 2,000 ms or less. */
  readonly handshakeTimeoutMs?: number
  /** How many messages of an inbox the server keeps, if that is from 1,100 to 10,000. */
  readonly inboxMessages?: number
  /** Makes the server go away, gently: GOAWAY, and what is left after a second or two is closed. */
  drain?(): unknown
}

/** Texts that the application of a server under test does something else with than sending them back. */
export const serverCommands = { end: '!end', wait: '!wait' } as const
