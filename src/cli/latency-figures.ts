const GROWTH = 1.01
/** The clock does not tell less. */
const LEAST_MS = 0.001

/**
 * Minimum, quantiles and maximum of any number of samples in bounded memory: counted in classes that grow by 1 %, so a quantile is
 * right within half of that.
 */
export class LatencyFigures {
  count = 0
  minMs = Infinity
  maxMs = 0
  lastMs = NaN
  readonly #classes = new Map<number, number>()

  sample(latencyMs: number): void {
    const index = Math.round(Math.log(Math.max(LEAST_MS, latencyMs)) / Math.log(GROWTH))
    this.#classes.set(index, (this.#classes.get(index) ?? 0) + 1)
    this.count++
    this.lastMs = latencyMs
    this.minMs = Math.min(this.minMs, latencyMs)
    this.maxMs = Math.max(this.maxMs, latencyMs)
  }

  /** @param share from 0 to 1: 0.5 is the median @returns NaN without samples */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.count))
    for (const [index, count] of [...this.#classes].sort(([one], [other]) => one - other)) {
      left -= count
      if (left <= 0) return Math.min(this.maxMs, Math.max(this.minMs, GROWTH ** index))
    }
    return NaN
  }
}
