const CONNECT_TIMEOUT_MS = 5_000

/** Attempts come so often, and take so little time, that the length of an outage is known within seconds. */
export function attempts(timeoutMs: number) {
  return {
    connectTimeoutMs: Math.max(CONNECT_TIMEOUT_MS, timeoutMs),
    reconnect: { minDelayMs: 500, maxDelayMs: 2_000 },
  }
}
