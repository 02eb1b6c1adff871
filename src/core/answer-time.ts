/** Least time in which something has to be heard after data was sent, in milliseconds; a probe then has as long. */
const LEAST_MS = 1_000
/** Slowest path that data is expected to go over in that time, in bytes per millisecond. */
const SLOWEST_PATH = 32

/**
 * Milliseconds within which a peer that lives is heard after data went out to it.
 *
 * @param roundTripMs smoothed, if it is known
 * @param bytes all that is on its way
 * @see PROTOCOL.md#heartbeat
 */
export function answerTimeMs(roundTripMs: number | undefined, bytes: number): number {
  return Math.max(LEAST_MS, 4 * (roundTripMs ?? 0)) + bytes / SLOWEST_PATH
}
