// @ts-check

/** Each bucket is so much higher than the one before: quantiles are right within 1 %. */
const LOG_GROWTH = Math.log(1.02)
const LOWEST = 0.001

/** @typedef {[bucket: number, count: number][]} Counts */

/** Counts values, of several processes if need be, and tells quantiles. */
export class Histogram {
  /** @type {Map<number, number>} */
  #counts = new Map()
  #total = 0

  /** @param {number} value */
  record(value) {
    this.#add(Math.round(Math.log(Math.max(value, LOWEST)) / LOG_GROWTH), 1)
  }

  /** @param {Counts} counts what `toJSON` of another one gave */
  merge(counts) {
    for (const [bucket, count] of counts) this.#add(bucket, count)
  }

  /** @param {number} share from 0 to 1 */
  quantile(share) {
    let left = Math.max(1, Math.ceil(this.#total * share))
    for (const [bucket, count] of this.toJSON()) {
      left -= count
      if (left <= 0) return Math.exp(bucket * LOG_GROWTH)
    }
    return NaN
  }

  /** @returns {Counts} */
  toJSON() {
    return [...this.#counts].sort(([a], [b]) => a - b)
  }

  /**
   * @param {number} bucket
   * @param {number} count
   */
  #add(bucket, count) {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count)
    this.#total += count
  }
}
