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

/** The same for messages of topics, whose acknowledgements may wait for company. */
const TOPIC_LEAST_MS = 2_000
/** How long they wait, and some more. A peer is heard twice in the time in which it has to be heard once. */
const TOPIC_ACK_MS = 950
/** A probe after them has the rest: together no longer than for other messages. */
const TOPIC_PROBE_LEAST_MS = 500

/** Milliseconds within which a peer that lives is heard after messages of topics went out to it, see {@link answerTimeMs}. */
export function topicAnswerTimeMs(roundTripMs: number | undefined, bytes: number): number {
  return Math.max(TOPIC_LEAST_MS, 2 * (TOPIC_ACK_MS + (roundTripMs ?? 0))) + bytes / SLOWEST_PATH
}

/** Milliseconds that a probe has then. */
export function topicProbeTimeMs(roundTripMs: number | undefined, bytes: number): number {
  return Math.max(TOPIC_PROBE_LEAST_MS, 4 * (roundTripMs ?? 0)) + bytes / SLOWEST_PATH
}
