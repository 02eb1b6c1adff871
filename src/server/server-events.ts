import type { HeartlineError } from '../core/error.ts'
import type { Identity } from './identity.ts'
import type { Session } from './session.ts'

export interface ServerEventMap<I extends Identity> {
  /** A client has begun a session, or has come back to one that this process has not seen. Add its listeners at once. */
  session: Session<I>
  /** A connection was dead, and has been dropped. */
  ghost: { readonly session: Session<I> | undefined; readonly silenceMs: number }
  /** The store, `authenticate` or the port failed. Without a listener it becomes a warning of the process. */
  error: HeartlineError
}

/** What a server counts. Sessions, connections, topics and subscriptions are as they are now; the others only rise. */
export interface ServerStats {
  readonly sessions: number
  readonly connections: number
  /** Sessions resumed. */
  readonly resumed: number
  /** Dead connections dropped. */
  readonly ghosts: number
  /** Connections ended because their peer broke the protocol. */
  readonly violations: number
  /** Sessions that expired. */
  readonly expired: number
  /** Topics that a session here has subscribed to. */
  readonly topics: number
  /** Subscriptions of all sessions. */
  readonly subscriptions: number
  /** Volatile messages that a subscriber was too slow for, each counted once for every such subscriber. */
  readonly dropped: number
}
