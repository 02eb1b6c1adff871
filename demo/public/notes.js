// @ts-check

/** @import { Track } from './track.js' */

/** Notes that are kept; older ones are forgotten, with their count of losses. */
const MAX_NOTES = 40
/** After this time a note that left no trace is worth a word. */
const TRACE_MS = 400

/**
 * What became of a note in one column.
 * @typedef {'underWay' | 'noTrace' | 'kept' | 'arrived' | 'repeated' | 'notSent' | 'lost' | 'handedBack'} Fate
 *
 * @typedef {object} Passage One note in one column.
 * @property {number} arrived How often it has been seen at the other end.
 * @property {number | undefined} connection The connection that it went into; `undefined` if its sender keeps it.
 * @property {boolean} wasRefused There was no connection to send it by.
 * @property {boolean} wasHandedBack The sender has given it up, and said so.
 *
 * @typedef {object} Note Something typed, on its way through all columns.
 * @property {number} id
 * @property {string} text
 * @property {boolean} isToServer
 * @property {number} at
 * @property {Record<string, Passage>} passages
 */

/** What was typed, in both directions, and what became of it. Arrivals are counted where they happen. */
export class Notes {
  /** @type {Note[]} Oldest first. */
  all = []
  #lastId = 0
  #tracks

  /** @param {Record<string, Track>} tracks by column */
  constructor(tracks) {
    this.#tracks = tracks
  }

  /** @param {string} text @param {boolean} isToServer @param {number} now */
  add(text, isToServer, now) {
    const passages = Object.fromEntries(
      Object.keys(this.#tracks).map((column) => [
        column,
        /** @type {Passage} */ ({ arrived: 0, connection: undefined, wasRefused: false, wasHandedBack: false }),
      ]),
    )
    const note = { id: ++this.#lastId, text, isToServer, at: now, passages }
    this.all.push(note)
    if (this.all.length > MAX_NOTES) this.all.shift()
    return note
  }

  /** It went into the column's current connection, if there was one. @param {Note} note @param {string} column @param {boolean} wasSent */
  sent({ passages }, column, wasSent) {
    const passage = passages[column]
    const { readyState, connection } = this.#tracks[column]
    // The server may hold a connection that the page has given up; it is over, as is number 0.
    if (wasSent) passage.connection = readyState === 'OPEN' ? connection : 0
    else passage.wasRefused = true
  }

  /** The column's sender gives a note back. @param {string} column @param {number | undefined} id nothing if it is no note */
  handedBack(column, id) {
    const passage = this.#passage(column, id, true)
    if (passage) passage.wasHandedBack = true
  }

  /** The page got a note. @param {string} column @param {number} id */
  arrivedHere(column, id) {
    const passage = this.#passage(column, id, false)
    if (passage) passage.arrived++
  }

  /** The server says what it got. @param {Record<string, Record<number, number>>} arrivals */
  arrivedThere(arrivals) {
    for (const [column, counts] of Object.entries(arrivals))
      for (const [id, arrived] of Object.entries(counts)) {
        const passage = this.#passage(column, Number(id), true)
        if (passage) passage.arrived = arrived
      }
  }

  /** @param {Note} note @param {string} column @param {number} now @returns {Fate} */
  fate({ at, passages }, column, now) {
    const { arrived, connection, wasRefused, wasHandedBack } = passages[column]
    if (arrived) return arrived > 1 ? 'repeated' : 'arrived'
    if (wasHandedBack) return 'handedBack'
    if (wasRefused) return 'notSent'
    if (connection !== undefined && this.#tracks[column].isOver(connection)) return 'lost'
    if (now - at < TRACE_MS) return 'underWay'
    return connection === undefined ? 'kept' : 'noTrace'
  }

  /** @param {string} column @param {number} now */
  lost(column, now) {
    return this.all.filter((note) => ['lost', 'notSent', 'handedBack'].includes(this.fate(note, column, now))).length
  }

  /** @param {string} column @param {number | undefined} id @param {boolean} isToServer */
  #passage(column, id, isToServer) {
    return this.all.find((note) => note.id === id && note.isToServer === isToServer)?.passages[column]
  }
}
