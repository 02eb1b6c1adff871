import type { Resumed } from '../core/client-session.ts'
import type { ConnectionState } from '../core/connection.ts'
import type { HeartlineError } from '../core/error.ts'
import type { Ending } from '../core/link.ts'
import type { GapReason, Payload, Position } from '../protocol/frame.ts'

/** A message of the server. */
export interface SessionMessage {
  /** Text, or bytes. */
  readonly data: Payload
  /** The same for each delivery of this message, and for no other message. */
  readonly id: string
  /** It was handed over before, and the handler failed. */
  readonly redelivered: boolean
  /** Where it comes from, if the server has subscribed this session to a topic; else it is for this session alone. */
  readonly topic?: string
  /** Where it is in that topic; `undefined` if it is volatile. */
  readonly position?: Position | undefined
}

/** A message of a topic. */
export interface TopicMessage {
  /** Text, or bytes. */
  readonly data: Payload
  /** The topic's name. */
  readonly topic: string
  /** Where it is in the topic; `undefined` if it is volatile. */
  readonly position: Position | undefined
  /** The same for each delivery of this message, and for no other message; empty if it is volatile. */
  readonly id: string
  /** It was handed over before, and the handler failed. */
  readonly redelivered: boolean
}

export interface StateEvent {
  readonly state: ConnectionState
  /** How the attempt or connection before ended; only when one did. */
  readonly ending: Ending | undefined
  /** What the runtime said about that. Only in Node: a browser tells pages nothing about an attempt that was refused. */
  readonly error: Error | undefined
  /** Attempts since the last stable connection. */
  readonly attempts: number
  /** Milliseconds until the next attempt; only in the state `waiting`. */
  readonly retryInMs: number | undefined
}

/** Messages of the server that cannot be delivered any more. */
export interface GapEvent {
  /** The stream that has the hole: what is for this session alone, or a topic. */
  readonly stream: 'inbox' | 'topic'
  /** The topic's name, if it is one. */
  readonly topic?: string
  /** The session that it belongs to. */
  readonly session: string
  /** Identity of the stream's history. */
  readonly generation: string
  /** Offset of the first missing message… */
  readonly from: number
  /** …and of the last one; `undefined` if nobody knows how many there were. */
  readonly to: number | undefined
  readonly reason: GapReason
}

/** Messages that were given up. */
export interface LostEvent {
  readonly messages: readonly {
    readonly data: Payload
    /** It went into a connection, and may have arrived; otherwise it certainly has not. */
    readonly wasSent: boolean
  }[]
}

export interface SessionEventMap {
  message: SessionMessage
  state: StateEvent
  /** The session goes on over another connection. */
  resumed: Resumed
  gap: GapEvent
  lost: LostEvent
  /** Smoothed round trip in milliseconds. */
  latency: { readonly latencyMs: number }
  /** Another client has the session now; this one is closed. */
  superseded: Record<string, never>
  error: HeartlineError
}
