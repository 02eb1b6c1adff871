// The times of all columns, much shorter than one would take in earnest, so that there is something to watch.

/** From one ping to the next; the session pings only when nothing else was heard. */
export const INTERVAL_MS = 2_000
/** For a ping to be answered; for heartline also to connect, to which the recipe gives no limit. */
export const TIMEOUT_MS = 1_000
/** From the end of a connection to the next attempt: the recipe waits this long, heartline at most this long. */
export const RETRY_MS = 1_000
