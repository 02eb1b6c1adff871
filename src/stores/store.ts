import type { Payload, Position } from '../protocol/frame.ts'
import type { Attachment, Commit } from '../core/server-session.ts'
import type { Slice } from '../core/outflow.ts'
import type { TopicEntry, TopicSlice } from '../core/subscriber.ts'
import type { TopicHead } from '../core/topic.ts'

/** A value now, or later. What is in memory answers at once, and costs no turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>

/** A new session. */
export interface NewSession {
  /** Its public name. */
  readonly session: string
  /** Whom the client is authenticated as. */
  readonly subject: string
  /** SHA-256 of its token, in base64url. The token itself MUST NOT reach the store. */
  readonly tokenHash: string
  /** Most sessions that the subject may have, this one included. */
  readonly maxPerSubject: number
}

/** A client that comes back. */
export interface AttachRequest {
  readonly session: string
  readonly subject: string
  /** SHA-256 of the token that it shows… */
  readonly tokenHash: string
  /** …and of the one that it gets. */
  readonly nextTokenHash: string
  /** The highest number that it has used. */
  readonly sent: number
  /** Rises with every attempt of a client; 0 if it does not tell. */
  readonly attempt: number
}

export interface Appended {
  /** The message's offset. */
  readonly offset: number
  /** More than half of what the inbox may hold is used: whoever can wait, should. */
  readonly isFull: boolean
}

/** Why an attach was refused. `unknown` also stands for a wrong token: nobody learns that a session exists. */
export type Refusal =
  | 'unknown'
  | 'subject'
  | 'forked'
  /** An attempt that the client has given up for one that was faster. */
  | 'late'

/** How much of a topic is kept: as much as all three allow, but always the last message, unless it is too old. */
export interface Retention {
  /** Most messages, 1 to Infinity. */
  readonly maxMessages: number
  /** Most bytes of them, 1 to Infinity; a text counts its length. */
  readonly maxBytes: number
  /** Milliseconds after which a message is let go of, 1 to Infinity. */
  readonly maxAgeMs: number
}

/** What is kept of a topic. */
export interface TopicInfo extends TopicHead {
  /** How many messages are kept… */
  readonly messages: number
  /** …and their bytes; a text counts its length. */
  readonly bytes: number
}

/**
 * Hears that a topic has grown, or has another generation. It is a hint: the log is the truth, and whoever hears of a jump
 * reads it.
 *
 * @param entry the message at the offset, if it is at hand
 */
export type TopicListener = (position: Position, entry: TopicEntry | undefined) => void

/**
 * Where sessions and topics are kept. Every method is one atomic step: either all of its effects happen or none.
 *
 * Positions are generation and offset. Within a generation an offset MUST name the same message for ever. A store that
 * cannot prove that its history continues what it has confirmed MUST begin a new generation.
 *
 * A method that fails rejects or throws; then nothing has been confirmed, whatever has happened.
 */
export interface Store {
  /**
   * Creates a session, attached for the first time, with an empty inbox.
   *
   * @returns `undefined` if the subject has too many sessions
   */
  create(session: NewSession): MaybePromise<Attachment | undefined>
  /**
   * Attaches a new connection, whether or not the one before is known to be dead.
   *
   * MUST check the token's hash against the current and the former one, the subject for equality, that `sent` is not
   * below what was accepted, and that `attempt`, if the token is the former one, is higher than that of the attach before;
   * MUST raise the attach number; MUST make `tokenHash` the former and `nextTokenHash` the current hash. Refused, it changes
   * nothing.
   */
  attach(request: AttachRequest): MaybePromise<Attachment | Refusal>
  /**
   * Takes note of progress. MUST refuse, and change nothing, if the attach number is not the session's newest. Numbers
   * only rise: a lower one than before MUST be ignored. The inbox up to `acked` is trimmed; after `isConfirmed` the
   * former token is no longer valid.
   *
   * @returns whether it was taken
   */
  commit(session: string, commit: Commit): MaybePromise<boolean>
  /**
   * Appends to the inbox, and lets go of its head if a limit of the inbox is exceeded.
   *
   * @returns `undefined` if there is no such session
   */
  append(session: string, payload: Payload): MaybePromise<Appended | undefined>
  /** Messages behind an offset; they begin later if the head has been trimmed. `undefined` if there is no such session. */
  read(session: string, after: number): MaybePromise<Slice | undefined>
  /**
   * Ends a session and forgets all about it. With an attach number it MUST refuse if that is not the newest.
   *
   * @returns whether it was there and is gone
   */
  end(session: string, attach?: number): MaybePromise<boolean>
  /**
   * Appends to a topic's log, in the order in which it is called, lets go of its head if there is more than is to be kept, and tells those who watch.
   *
   * @param retention holds for the whole log of the topic, until the next call brings another one
   * @returns where the message is
   */
  publish(topic: string, entry: TopicEntry, retention: Retention): MaybePromise<Position>
  /** What is kept of a topic. One that nobody has published to has a position, too. */
  topic(topic: string): MaybePromise<TopicInfo>
  /**
   * Messages of a topic behind an offset; they begin later if the head has been trimmed. It may be a part of them, but MUST have
   * at least one if any is kept there.
   */
  readTopic(topic: string, after: number): MaybePromise<TopicSlice>
  /**
   * Hears of all that is appended from now on. There MUST be no hole between the answer and the hints: what is behind the
   * answer's `last` is hinted at. A hint may come before the answer.
   *
   * @returns what is kept of the topic, and how to stop listening
   */
  watch(
    topic: string,
    listener: TopicListener,
  ): MaybePromise<{ readonly info: TopicInfo; readonly unwatch: () => void }>
}
