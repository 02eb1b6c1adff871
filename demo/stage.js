// @ts-check
import { faultProxy } from 'heartline/testing'
import { COLUMNS } from './readings-server.js'

/** @import { Note, ReadingsServer } from './readings-server.js' */

/** How many past faults are kept for pages that look away. */
const MAX_FAULTS = 20

/**
 * Everything between one visitor's page and the readings: a fault proxy for each column, so that what one client does
 * cannot disturb the others, the faults that are in force, and what happened last.
 */
export class Stage {
  #server
  /** @type {Record<string, Awaited<ReturnType<typeof faultProxy>>>} */
  #proxies = {}
  /** @type {'in' | 'out' | 'oneWay'} */
  #cable = 'in'
  /** @type {{ id: number, kind: string, at: number }[]} */
  #faults = []
  #lastFaultId = 0
  /** @type {() => void} */
  #onChange = () => {}

  /** @param {ReadingsServer} server */
  constructor(server) {
    this.#server = server
    server.onArrival(() => this.#onChange())
  }

  async start() {
    const port = await this.#server.start()
    for (const column of COLUMNS) this.#proxies[column] = await faultProxy({ target: port })
  }

  async stop() {
    await this.#server.stop()
    await Promise.all(this.#all.map((proxy) => proxy.close()))
  }

  /** Whether any of the visitor's connections is there, as far as anybody knows. */
  get isConnected() {
    return this.#server.connections > 0
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.#onChange = listener
  }

  /** What a page needs to know. Ages instead of times, so that no clock has to agree with another. */
  snapshot() {
    const now = performance.now()
    return {
      urls: Object.fromEntries(COLUMNS.map((column) => [column, `${this.#proxies[column]?.url}/${column}`])),
      cable: this.#cable,
      serverIsUp: this.#server.isUp,
      faults: this.#faults.map(({ id, kind, at }) => ({ id, kind, ageMs: Math.round(now - at) })),
      connections: this.#server.connections,
      ghosts: this.#server.ghosts,
      arrivals: this.#server.arrivals,
    }
  }

  /** What the buttons do. */
  actions = {
    /** The cable is pulled: everything is swallowed, both ways, and nobody is told. */
    pull: () => this.#setCable('out'),
    /** What the page sends is swallowed; what the server sends still arrives. */
    'one-way': () => this.#setCable('oneWay'),
    /** Every connection is reset: both ends are told at once. */
    cut: () => {
      for (const proxy of this.#all) proxy.reset()
      this.#happened('cut')
    },
    'go-away': () => {
      if (!this.#server.isUp) return
      this.#server.goAway((port) => {
        for (const proxy of this.#all) proxy.retarget(port)
        this.#happened('serverBack')
      })
      this.#happened('away')
    },
    heal: () => this.#setCable('in'),
  }

  /** The server sends the visitor's own words to the page, on all columns. @param {Note} note */
  notify(note) {
    return this.#server.notify(note)
  }

  get #all() {
    return Object.values(this.#proxies)
  }

  /** @param {'in' | 'out' | 'oneWay'} cable */
  #setCable(cable) {
    if (cable === this.#cable) return
    this.#cable = cable
    for (const proxy of this.#all) {
      proxy.heal()
      if (cable !== 'in') proxy.blackHole(cable === 'out' ? 'both' : 'clientToServer')
    }
    this.#happened(cable === 'in' ? 'heal' : cable === 'out' ? 'pull' : 'oneWay')
  }

  /** @param {string} kind */
  #happened(kind) {
    this.#faults.push({ id: ++this.#lastFaultId, kind, at: performance.now() })
    if (this.#faults.length > MAX_FAULTS) this.#faults.shift()
    this.#onChange()
  }
}
