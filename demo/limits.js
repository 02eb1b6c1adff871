// @ts-check

/** Times of all heartbeats, short so that one can watch them: a silent client is gone after 3 s. */
export const HEARTBEAT = { intervalMs: 2_000, timeoutMs: 1_000 }
/** Largest message of a page, on any connection. */
export const MAX_MESSAGE_BYTES = 4_096
/** Longest text that a visitor may type. */
export const MAX_TEXT_LENGTH = 200
/** Open pages. */
export const MAX_VISITORS = 50
