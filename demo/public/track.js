// @ts-check

/** How much of the past the chart shows. */
export const WINDOW_MS = 60_000
const MAX_OUTAGES = 30
/** A fault that is told of later explains an outage that was noticed at most this long after it, */
const LATE_NEWS_MS = 10_000
/** or this much before it, as clocks go. */
const CLOCK_ERROR_MS = 200
/** How long a round trip is news. */
const NEWS_MS = 10_000

/**
 * What the server says of its host five times a second.
 * @typedef {object} Reading
 * @property {number} n
 * @property {number} at Wall-clock milliseconds.
 * @property {number} cpuRatio
 * @property {number} memoryRatio
 *
 * A reading that came in, and when it was made; `isReplay` if it was sent once more.
 * @typedef {{ n: number, at: number, cpuRatio: number, isReplay: boolean }} Point
 *
 * A heartbeat: `latencyMs` once it was answered.
 * @typedef {{ at: number, latencyMs?: number, isLost?: boolean }} Beat
 *
 * One time of trouble, with the instants at which things happened.
 * @typedef {object} Outage
 * @property {string[]} faults What was done, in order; empty if nothing is known of it.
 * @property {number} brokenAt The fault.
 * @property {number} [noticedAt] The client gave the connection up, or was told of its end.
 * @property {boolean} [wasTold] It learnt of the end from a `close` event that it had not asked for.
 * @property {number} [pathBackAt] A new connection would work again.
 * @property {string} [pathBackBy] What made it so.
 * @property {number} [reopenedAt] A new connection is open.
 * @property {number} [survivedAt] The old connection proved to work both ways again.
 * @property {number} [missed] Readings missed; known when the first one has come in again.
 */

/** What was measured of one column. Times come in, so that this is ordinary arithmetic; all of it is bounded. */
export class Track {
  /** @type {WebSocket | undefined} The current one: an abandoned one may say what it likes. */
  socket
  /** When the current attempt or connection began. */
  beganAt = 0
  /** @type {number | undefined} When the client gave the last connection or attempt up. */
  endedAt
  /** @type {Reading | undefined} The last one. */
  reading
  /** The last round trip, and when it was measured. @type {{ latencyMs: number, at: number } | undefined} */
  #roundTrip
  /** Readings that were passed over for good. */
  missedInAll = 0
  /** Readings that came in although they had been there, or should have come earlier. */
  repeated = 0
  /** Readings that were sent once more. */
  replayed = 0
  /** @type {Beat[]} */
  beats = []
  /** @type {Point[]} */
  points = []
  /** @type {Outage[]} Newest last. */
  outages = []
  /** Number of the current attempt or connection. */
  connection = 0
  #wasOpen = false
  #hasEnded = false

  /** @returns {Outage | undefined} the newest outage, over or not */
  get outage() {
    return this.outages.at(-1)
  }

  /** @returns {Outage | undefined} the outage that is not over */
  get trouble() {
    const { outage } = this
    return outage && outage.reopenedAt === undefined && outage.survivedAt === undefined ? outage : undefined
  }

  /** Whether a connection has been given up, or has closed. @param {number} connection */
  isOver(connection) {
    return connection < this.connection || this.#hasEnded
  }

  /** What the newest WebSocket says of itself. */
  get readyState() {
    return ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'][this.socket?.readyState ?? 3]
  }

  /** @param {WebSocket} socket @param {number} now */
  began(socket, now) {
    this.socket = socket
    this.beganAt = now
    this.connection++
    this.#wasOpen = this.#hasEnded = false
  }

  /** @param {WebSocket} socket @param {number} now */
  opened(socket, now) {
    if (socket !== this.socket) return
    this.#wasOpen = true
    if (this.trouble) this.trouble.reopenedAt = now
  }

  /** @param {WebSocket} socket @param {number} now */
  pinged(socket, now) {
    if (socket === this.socket && !this.#hasEnded) this.beats.push({ at: now })
  }

  /** Something came in. @param {WebSocket} socket @param {boolean} isPong @param {number} now */
  heard(socket, isPong, now) {
    if (socket === this.socket && isPong) this.#answered(now)
    this.#forget(now)
  }

  /**
   * The application was handed a reading.
   *
   * @param {Reading} reading @param {boolean} isReplay whether it was sent once more @param {number} now
   */
  read(reading, isReplay, now) {
    const missed = this.reading ? reading.n - this.reading.n - 1 : 0
    if (missed < 0) {
      this.repeated++
      return
    }
    this.missedInAll += missed
    if (isReplay) this.replayed++
    this.reading = reading
    // Both clocks are this machine's.
    const at = now - Math.max(0, Date.now() - reading.at)
    this.points.push({ n: reading.n, at, cpuRatio: reading.cpuRatio, isReplay })
    const { outage, trouble } = this
    if (!outage || (!trouble && outage.missed !== undefined)) return
    if (missed > 0) outage.missed = (outage.missed ?? 0) + missed
    if (outage.reopenedAt !== undefined) outage.missed ??= 0
  }

  /** @param {number} latencyMs @param {number} now */
  measured(latencyMs, now) {
    this.#roundTrip = { latencyMs, at: now }
  }

  /** The round trip, if it was measured lately: nothing is said of what was true long ago. @param {number} now */
  latencyMs(now) {
    return this.#roundTrip && now - this.#roundTrip.at < NEWS_MS ? this.#roundTrip.latencyMs : undefined
  }

  /**
   * The client gave the connection up, or was told that it is closed; whichever came first.
   *
   * @param {WebSocket} socket @param {boolean} wasTold @param {number} now
   */
  ended(socket, wasTold, now) {
    if (socket !== this.socket || this.#hasEnded) return
    this.#hasEnded = true
    for (const beat of this.beats) if (beat.latencyMs === undefined) beat.isLost = true
    this.endedAt = now
    if (!this.#wasOpen) return
    const { trouble } = this
    if (!trouble) this.#add({ faults: [], brokenAt: now, noticedAt: now, wasTold })
    else if (trouble.noticedAt === undefined) Object.assign(trouble, { noticedAt: now, wasTold })
  }

  /** @param {string} fault @param {number} at @param {boolean} pathWorks whether a new connection would work all the same */
  broke(fault, at, pathWorks) {
    const { trouble } = this
    const pathBack = pathWorks
      ? { pathBackAt: at, pathBackBy: fault }
      : { pathBackAt: undefined, pathBackBy: undefined }
    const unexplained = this.outages.find(
      ({ faults, brokenAt }) => !faults.length && at < brokenAt + CLOCK_ERROR_MS && at > brokenAt - LATE_NEWS_MS,
    )
    if (unexplained) {
      unexplained.faults.push(fault)
      unexplained.brokenAt = Math.min(at, unexplained.brokenAt)
      if (unexplained.pathBackAt === undefined) Object.assign(unexplained, pathBack)
    } else if (trouble) {
      if (trouble.faults.at(-1) !== fault) trouble.faults.push(fault)
      // A cut while it is still on its way back does not turn back the clock.
      if (!pathWorks || trouble.pathBackAt === undefined) Object.assign(trouble, pathBack)
    } else if (this.socket?.readyState === WebSocket.OPEN && at > this.beganAt) {
      this.#add({ faults: [fault], brokenAt: at, ...pathBack })
    }
  }

  /** A new connection would work again. @param {string} by @param {number} at */
  healed(by, at) {
    const outage = this.outages.find(
      ({ brokenAt, pathBackAt, reopenedAt = Infinity, survivedAt }) =>
        brokenAt < at && at < reopenedAt + CLOCK_ERROR_MS && pathBackAt === undefined && survivedAt === undefined,
    )
    if (!outage) return
    outage.pathBackAt = at
    outage.pathBackBy = by
  }

  /** @param {number} now */
  #answered(now) {
    const beat = this.beats.find(({ latencyMs, isLost }) => latencyMs === undefined && !isLost)
    if (!beat) return
    beat.latencyMs = now - beat.at
    this.measured(beat.latencyMs, now)
    const { trouble } = this
    if (trouble && trouble.noticedAt === undefined && beat.at > (trouble.pathBackAt ?? Infinity)) {
      trouble.survivedAt = now
      trouble.missed ??= 0
    }
  }

  /** @param {Outage} outage */
  #add(outage) {
    this.outages.push(outage)
    if (this.outages.length > MAX_OUTAGES) this.outages.shift()
  }

  /** @param {number} now */
  #forget(now) {
    const since = now - WINDOW_MS - 5_000
    while (this.points[0] !== undefined && this.points[0].at < since) this.points.shift()
    while (this.beats[0] !== undefined && this.beats[0].at < since) this.beats.shift()
  }
}
