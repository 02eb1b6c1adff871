/** Smooths round-trip samples as RFC 6298 does for TCP: an average that follows slowly. */
export class Latency {
  /** Smoothed round-trip time in milliseconds; `undefined` before the first sample. */
  smoothedMs: number | undefined

  /** Takes one round trip in. @see RFC 6298, section 2 */
  sample(roundTripMs: number): void {
    this.smoothedMs ??= roundTripMs
    this.smoothedMs += (roundTripMs - this.smoothedMs) / 8
  }
}
