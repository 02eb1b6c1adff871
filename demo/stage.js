// @ts-check
import { randomUUID } from 'node:crypto'
import { faultProxy } from 'heartline/testing'

/** @import { ReadingsServer } from './readings-server.js' */

/** The columns of the page; each has a fault proxy of its own, so that what one client does cannot disturb the other. */
const COLUMNS = /** @type {const} */ (['ordinary', 'reconnecting'])
/** How many past faults are kept for pages that look away or come late. */
const MAX_FAULTS = 20

/**
 * Everything between the page and the readings: one fault proxy per column, the faults that are in force, and what
 * happened last. There is one stage for all tabs: a fault meets all of them, and each measures for itself.
 */
export class Stage {
  /** Tells a page that outlived the process to load itself again. */
  #bootId = randomUUID()
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
  }

  async start() {
    const port = await this.#server.start()
    for (const column of COLUMNS) this.#proxies[column] = await faultProxy({ target: port })
  }

  async stop() {
    this.#server.stop()
    await Promise.all(this.#all.map((proxy) => proxy.close()))
  }

  /** The WebSocket address of each column. */
  get urls() {
    return Object.fromEntries(
      Object.entries(this.#proxies).map(([column, { port }]) => [column, `ws://127.0.0.1:${port}`]),
    )
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.#onChange = listener
  }

  /** What a page needs to know. Ages instead of times, so that no clock has to agree with another. */
  snapshot() {
    const now = performance.now()
    return {
      bootId: this.#bootId,
      urls: this.urls,
      cable: this.#cable,
      serverIsUp: this.#server.isUp,
      faults: this.#faults.map(({ id, kind, at }) => ({ id, kind, ageMs: Math.round(now - at) })),
      guard: { connections: this.#server.connections, ghosts: this.#server.ghosts },
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
    restart: () => {
      if (!this.#server.isUp) return
      this.#server.restart((port) => {
        for (const proxy of this.#all) proxy.retarget(port)
        this.#happened('serverBack')
      })
      this.#happened('restart')
    },
    heal: () => this.#setCable('in'),
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
