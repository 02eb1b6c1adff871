// @ts-check
import { faultProxy } from 'heartline/testing'
import { Arrivals } from './arrivals.js'
import { PLAIN_COLUMNS } from './plain-server.js'

/** @import { Socket } from 'node:net' */
/** @import { PlainServer } from './plain-server.js' */

/** The columns of the page. */
export const COLUMNS = /** @type {const} */ ([...PLAIN_COLUMNS, 'session'])

/** How many past faults are kept for pages that look away. */
const MAX_FAULTS = 20
/** How long the server is away when it goes. */
const AWAY_MS = 1_500

/**
 * Everything between one visitor's page and the servers: a fault proxy for each column, so that what one client does
 * cannot disturb the others, the faults that are in force, and what happened last.
 */
export class Stage {
  #plain
  #sessionPort = 0
  /** The visitor's connections at the server that all share. @type {Set<Socket>} */
  #sessionSockets = new Set()
  #sessionGhosts = 0
  /** @type {Record<string, Awaited<ReturnType<typeof faultProxy>>>} */
  #proxies = {}
  #arrivals = new Arrivals(COLUMNS)
  /** @type {'in' | 'out' | 'oneWay'} */
  #cable = 'in'
  #serverIsUp = true
  /** @type {NodeJS.Timeout | undefined} */
  #backTimer
  /** @type {{ id: number, kind: string, at: number }[]} */
  #faults = []
  #lastFaultId = 0
  /** @type {() => void} */
  #onChange = () => {}

  /** @param {(onMessage: (column: string, message: string) => void) => PlainServer} plainServer */
  constructor(plainServer) {
    this.#plain = plainServer((column, message) => this.received(column, parseNote(message)))
  }

  /** @param {number} sessionPort where the session server is */
  async start(sessionPort) {
    this.#sessionPort = sessionPort
    const port = await this.#plain.start()
    for (const column of COLUMNS)
      this.#proxies[column] = await faultProxy({ target: column === 'session' ? sessionPort : port })
  }

  async stop() {
    clearTimeout(this.#backTimer)
    this.#plain.stop()
    await Promise.all(this.#all.map((proxy) => proxy.close()))
  }

  /** Whether any of the visitor's connections is there, as far as anybody knows. */
  get isConnected() {
    return this.#connections > 0
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.#onChange = listener
  }

  /** The visitor has one more connection at the session server. @param {Socket} socket */
  attach(socket) {
    this.#sessionSockets.add(socket)
    socket.once('close', () => this.#sessionSockets.delete(socket))
  }

  /** The session server has ended a dead connection of the visitor. */
  ghost() {
    this.#sessionGhosts++
  }

  /** @param {string} column @param {unknown} note */
  received(column, note) {
    if (this.#arrivals.count(column, note)) this.#onChange()
  }

  /** To the first two columns. @param {string} message @returns how many connections of each it went into */
  send(message) {
    return this.#plain.send(message)
  }

  /** What a page needs to know. Ages instead of times, so that no clock has to agree with another. */
  snapshot() {
    const now = performance.now()
    return {
      urls: Object.fromEntries(COLUMNS.map((column) => [column, `${this.#proxies[column]?.url}/${column}`])),
      cable: this.#cable,
      serverIsUp: this.#serverIsUp,
      faults: this.#faults.map(({ id, kind, at }) => ({ id, kind, ageMs: Math.round(now - at) })),
      connections: this.#connections,
      ghosts: this.#plain.ghosts + this.#sessionGhosts,
      arrivals: this.#arrivals.counts,
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
    /** Every connection of this visitor is dropped without a word, and for a while nobody listens where they led to. */
    'go-away': () => {
      if (!this.#serverIsUp) return
      this.#serverIsUp = false
      const port = this.#plain.drop()
      this.#proxies['session']?.retarget(port)
      for (const socket of this.#sessionSockets) socket.destroy()
      this.#backTimer = setTimeout(() => void this.#comeBack(), AWAY_MS)
      this.#happened('away')
    },
    heal: () => this.#setCable('in'),
  }

  get #connections() {
    return this.#plain.connections + this.#sessionSockets.size
  }

  get #all() {
    return Object.values(this.#proxies)
  }

  async #comeBack() {
    const port = await this.#plain.start()
    for (const column of PLAIN_COLUMNS) this.#proxies[column]?.retarget(port)
    this.#proxies['session']?.retarget(this.#sessionPort)
    this.#serverIsUp = true
    this.#happened('serverBack')
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

/** @param {string} message */
function parseNote(message) {
  try {
    return Object(JSON.parse(message)).note
  } catch {
    return undefined
  }
}
