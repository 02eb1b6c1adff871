// @ts-check
import { cpus, freemem, loadavg, totalmem } from 'node:os'

/**
 * One numbered reading of the host that the demo runs on.
 *
 * @typedef {object} Reading
 * @property {number} n Number of the reading; rises by 1 whether or not anyone hears it.
 * @property {number} at Wall-clock milliseconds.
 * @property {number} cpuRatio Busy share of all processors over the last second, 0 to 1.
 * @property {number} load Load average of the last minute; 0 on Windows, which has none.
 * @property {number} memoryRatio Used share of the memory, 0 to 1.
 * @property {number} memoryBytes Used memory.
 */

const SAMPLES_PER_SECOND = 5

/** Reads the host five times a second and numbers what it finds. It never stops for a restart, so that a hole can be counted. */
export class HostReadings {
  /** @type {Reading | undefined} */
  latest
  /** @type {Set<(reading: Reading) => void>} */
  #listeners = new Set()
  /** @type {{ busyMs: number, totalMs: number }[]} Processor times of the last second, oldest first. */
  #times = [processorTimes()]
  #timer = setInterval(() => this.#read(), 1_000 / SAMPLES_PER_SECOND)

  /** @param {(reading: Reading) => void} listener */
  onReading(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  stop() {
    clearInterval(this.#timer)
  }

  #read() {
    const times = processorTimes()
    const [oldest] = this.#times
    this.#times.push(times)
    if (this.#times.length > SAMPLES_PER_SECOND) this.#times.shift()
    const totalMs = times.totalMs - oldest.totalMs
    const memoryBytes = totalmem() - freemem()
    this.latest = {
      n: (this.latest?.n ?? 0) + 1,
      at: Date.now(),
      cpuRatio: totalMs > 0 ? round((times.busyMs - oldest.busyMs) / totalMs) : 0,
      load: round(loadavg()[0] ?? 0),
      memoryRatio: round(memoryBytes / totalmem()),
      memoryBytes,
    }
    for (const listener of this.#listeners) listener(this.latest)
  }
}

function processorTimes() {
  let busyMs = 0
  let totalMs = 0
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq
    totalMs += sum
    busyMs += sum - times.idle
  }
  return { busyMs, totalMs }
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 1_000) / 1_000
}
