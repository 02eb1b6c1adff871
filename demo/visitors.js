// @ts-check
import { randomUUID } from 'node:crypto'
import { MAX_VISITORS } from './limits.js'
import { nextName } from './names.js'
import { PlainServer } from './plain-server.js'
import { SessionServer } from './session-server.js'
import { Stage } from './stage.js'

/** @import { ServerResponse } from 'node:http' */
/** @import { HostReadings } from './host-readings.js' */

/** A page may hold one such response; while it loads itself again there may be two. */
const MAX_WATCHERS = 4
/** A hidden page does not watch. After this time without a connection, too, it is not expected back. */
const MAX_IDLE_MS = 600_000
/** A page that watches too slowly is let go; it asks again. */
const MAX_QUEUED_BYTES = 65_536

/** One open page: a stage of its own, so that two tabs have nothing to do with each other but the room in which they meet. */
export class Visitor {
  /** Known to the page alone. */
  id = randomUUID()
  /** Known to everybody. */
  name
  stage
  /** Responses that are told the state of the stage (server-sent events). @type {Set<ServerResponse>} */
  #watchers = new Set()
  #readings
  #seenAt = performance.now()

  /** @param {string} name @param {HostReadings} readings @param {(origin: string | undefined) => boolean} isAllowedOrigin */
  constructor(name, readings, isAllowedOrigin) {
    this.name = name
    this.#readings = readings
    this.stage = new Stage((onMessage) => new PlainServer(readings, isAllowedOrigin, onMessage))
    this.stage.onChange(() => this.tell())
  }

  get idleMs() {
    if (this.#watchers.size || this.stage.isConnected) this.#seenAt = performance.now()
    return performance.now() - this.#seenAt
  }

  state() {
    return { visitor: this.id, name: this.name, ...this.stage.snapshot(), latest: this.#readings.latest?.n ?? 0 }
  }

  /** @param {ServerResponse} response @returns whether there was room for one more */
  watch(response) {
    if (this.#watchers.size >= MAX_WATCHERS) return false
    this.#watchers.add(response)
    response.once('close', () => this.#watchers.delete(response))
    response.setHeader('content-type', 'text/event-stream')
    this.#tell(response)
    return true
  }

  tell() {
    for (const response of this.#watchers) this.#tell(response)
  }

  async stop() {
    for (const response of this.#watchers) response.destroy()
    await this.stage.stop()
  }

  /** @param {ServerResponse} response */
  #tell(response) {
    if (response.writableLength > MAX_QUEUED_BYTES) response.destroy()
    else response.write(`data: ${JSON.stringify(this.state())}\n\n`)
  }
}

/** All open pages. */
export class Visitors {
  /** @type {Map<string, Visitor>} */
  #visitors = new Map()
  #readings
  #isAllowedOrigin
  #sessions

  /** @param {HostReadings} readings @param {(origin: string | undefined) => boolean} isAllowedOrigin */
  constructor(readings, isAllowedOrigin) {
    this.#readings = readings
    this.#isAllowedOrigin = isAllowedOrigin
    this.#sessions = new SessionServer(readings, isAllowedOrigin, (id) => this.get(id))
  }

  /** @param {string} id */
  get(id) {
    return this.#visitors.get(id)
  }

  /** @returns {Promise<Visitor | undefined>} nobody if there are too many */
  async add() {
    if (this.#visitors.size >= MAX_VISITORS) return undefined
    const visitor = new Visitor(this.#freeName(), this.#readings, this.#isAllowedOrigin)
    this.#visitors.set(visitor.id, visitor)
    await visitor.stage.start(await this.#sessions.port())
    return visitor
  }

  /**
   * The server sends a visitor's own words to the page, on all columns.
   *
   * @param {Visitor} visitor @param {{ id: number, text: string }} note
   * @returns how many connections it went into, for those columns that count in connections
   */
  notify(visitor, note) {
    const message = JSON.stringify({ note })
    this.#sessions.send(visitor, message)
    return visitor.stage.send(message)
  }

  /** @param {Visitor} visitor */
  async remove(visitor) {
    if (!this.#visitors.delete(visitor.id)) return
    await visitor.stop()
    await this.#sessions.end(visitor)
  }

  /** Tells every page the state, and lets go of those that are not expected back. */
  tick() {
    for (const visitor of this.#visitors.values()) {
      visitor.tell()
      if (visitor.idleMs > MAX_IDLE_MS) void this.remove(visitor)
    }
  }

  async stop() {
    await Promise.all([...this.#visitors.values()].map((visitor) => this.remove(visitor)))
    await this.#sessions.stop()
  }

  #freeName() {
    const taken = new Set([...this.#visitors.values()].map(({ name }) => name))
    let name = nextName()
    while (taken.has(name)) name = nextName()
    return name
  }
}
