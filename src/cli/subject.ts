export type State = 'connecting' | 'open' | 'waiting' | 'suspended' | 'closing' | 'closed'

/** How a connection or an attempt ended. */
export interface Ending {
  readonly cause: string
  readonly code: number
  readonly reason: string
  /** What the runtime told, such as `connect ECONNREFUSED 127.0.0.1:8080`. */
  readonly error?: string | undefined
  /** What the user might try. */
  readonly hint?: string | undefined
}

export interface StateChange {
  readonly state: State
  /** Only when one ended. */
  readonly ending?: Ending | undefined
  readonly attempts: number
  /** Only in the state `waiting`. */
  readonly retryInMs?: number | undefined
}

/** What a subject tells of itself. */
export interface SubjectListener {
  changed(change: StateChange): void
  heartbeatSent(): void
  /** A heartbeat was answered; without a time if it cannot be said how long the answer took. */
  answered(latencyMs: number | undefined): void
  /** A message came in that was no answer to a heartbeat. */
  heard(data: unknown): void
  /** Something else that is worth a line. */
  noted(name: string, text: string): void
}

/** A connection that is probed. It begins in the state `connecting`. */
export interface Subject {
  /** Ends it for good; resolves when the other side knows. */
  close(): Promise<void>
}
