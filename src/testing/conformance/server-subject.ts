/**
 * A server under test. Its application does this with a message, in each session:
 *
 * - it sends it back as it came, text as text and bytes as bytes, and then acknowledges it;
 * - but the text `!end` makes it end the session from its side;
 * - and the text `!wait` makes it wait for a second before it sends it back.
 *
 * If it has topics, it does something with texts that begin with other commands, and then sends them back, too:
 *
 * - `!publish`, `!publish-bytes`, `!publish-volatile` and `!publish-except`, each with the name of a topic and a text, publish
 *   the text: as text; as bytes, in UTF-8; as a volatile message; to all but this session;
 * - `!subscribe` with the name of a topic subscribes this session to it, from now on;
 * - `!unsubscribe` with the name of a topic ends the subscriptions of all sessions to it;
 * - `!forbid` with the name of a topic: this session may no longer have it, when it asks the next time;
 * - `!revoke` with the name of a topic: it may no longer have it, from now on.
 *
 * Clients may have all other topics, but none whose name begins with `denied`. Whether they may have those that begin with
 * `unsure` the server never knows; and those that begin with `slow` they may have 300 ms after they have asked.
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
  /** If it has topics. */
  readonly topics?: {
    /** How many messages of a topic it keeps, from 10 to 1,000; in bytes and time, enough for a minute and for messages of 100,000. */
    readonly keptMessages: number
    /** How many subscriptions a session may have, from 2 to 1,000. */
    readonly maxSubscriptions: number
  }
  /** Makes the server go away, gently: GOAWAY, and what is left after a second or two is closed. */
  drain?(): unknown
}

/** Texts that the application of a server under test does something else with than sending them back. */
export const serverCommands = {
  end: '!end',
  wait: '!wait',
  publish: '!publish',
  publishBytes: '!publish-bytes',
  publishVolatile: '!publish-volatile',
  publishExcept: '!publish-except',
  subscribe: '!subscribe',
  unsubscribe: '!unsubscribe',
  forbid: '!forbid',
  revoke: '!revoke',
} as const
