// @ts-check

/** Notes whose arrivals are remembered. */
const MAX_NOTES = 50

/** How often each note of one visitor has arrived at the server. */
export class Arrivals {
  /** By column and number of the note. @type {Record<string, Record<number, number>>} */
  counts

  /** @param {readonly string[]} columns */
  constructor(columns) {
    this.counts = Object.fromEntries(columns.map((column) => [column, {}]))
  }

  /** @param {string} column @param {unknown} note @returns whether it is one */
  count(column, note) {
    const counts = this.counts[column]
    const id = Object(note).id
    if (!counts || !Number.isSafeInteger(id) || id <= 0) return false
    counts[id] = (counts[id] ?? 0) + 1
    for (const old of Object.keys(counts).slice(0, -MAX_NOTES)) delete counts[Number(old)]
    return true
  }
}
