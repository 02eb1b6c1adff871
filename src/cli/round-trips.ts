/**
 * Times the answers to heartbeats. Answers carry no number, so one is timed only while a single heartbeat is out;
 * else a late answer would be taken for a quick one to the next heartbeat.
 */
export class RoundTrips {
  #unanswered = 0
  #sentMs = NaN

  sent(nowMs: number): void {
    this.#sentMs = this.#unanswered++ ? NaN : nowMs
  }

  /** @returns the round trip, where it can be told */
  answered(nowMs: number): number | undefined {
    const latencyMs = nowMs - this.#sentMs
    this.#sentMs = NaN
    this.#unanswered = Math.max(0, this.#unanswered - 1)
    return Number.isNaN(latencyMs) ? undefined : latencyMs
  }

  /** Another connection: what was sent on the one before is not answered on this one. */
  reset(): void {
    this.#unanswered = 0
    this.#sentMs = NaN
  }
}
