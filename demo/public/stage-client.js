// @ts-check

/**
 * What the server says of the stage.
 * @typedef {object} Snapshot
 * @property {string} visitor Who we are to the server. Another page is another visitor.
 * @property {string} name Who we are to others.
 * @property {Record<string, string>} urls The WebSocket address of each column.
 * @property {'in' | 'out' | 'oneWay'} cable
 * @property {boolean} serverIsUp
 * @property {{ id: number, kind: string, ageMs: number }[]} faults
 * @property {number} connections
 * @property {number} ghosts
 * @property {Record<string, Record<number, number>>} arrivals How often each note has arrived at the server, by column.
 * @property {number} latest Number of the newest reading.
 *
 * Something that was done, with the time of this page's clock.
 * @typedef {{ kind: string, at: number, pathWorks: boolean, pathWorked: boolean }} Fault
 */

/**
 * Knows which faults are in force between this page and its server, and does new ones. It talks plain HTTP, apart from the
 * connections that are being tested. A hidden page does not listen, since a browser opens only six connections to a
 * host; when it is seen again it is told what it missed.
 */
export class StageClient {
  /** @type {Snapshot['cable']} */
  cable = 'in'
  serverIsUp = true
  isReachable = true
  connections = 0
  ghosts = 0
  latest = 0
  /** @type {Snapshot['arrivals']} */
  arrivals = {}
  #path
  #lastFaultId = 0
  /** @type {EventSource | undefined} */
  #source
  #onFault

  /** @param {Snapshot} snapshot @param {(fault: Fault) => void} onFault */
  constructor(snapshot, onFault) {
    this.#path = `/api/${snapshot.visitor}/`
    this.#lastFaultId = snapshot.faults.at(-1)?.id ?? 0
    this.#onFault = onFault
    this.#apply(snapshot)
    document.addEventListener('visibilitychange', () => this.#listen())
    addEventListener('pagehide', () => navigator.sendBeacon(this.#path + 'leave'))
    this.#listen()
  }

  /** Becomes a visitor. @returns {Promise<Snapshot>} */
  static async visit() {
    const response = await fetch('/api/visit', { method: 'POST' })
    if (!response.ok) throw new Error(await response.text())
    return response.json()
  }

  /** Whether a new connection would work now. */
  get pathWorks() {
    return this.cable === 'in' && this.serverIsUp
  }

  /** @param {string} action */
  async act(action) {
    try {
      this.#apply(await this.#post(action))
    } catch {
      this.isReachable = false
    }
  }

  /**
   * Makes the server send us what was typed, on every column.
   *
   * @param {{ id: number, text: string }} note
   * @returns {Promise<Record<string, number>>} how many connections it went into, for columns that count in connections
   */
  async notify(note) {
    try {
      return await this.#post('notify', JSON.stringify(note))
    } catch {
      this.isReachable = false
      return {}
    }
  }

  /** @param {string} name @param {string} [body] */
  async #post(name, body) {
    const response = await fetch(this.#path + name, { method: 'POST', ...(body !== undefined && { body }) })
    if (!response.ok) throw new Error(await response.text())
    return response.json()
  }

  #listen() {
    this.#source?.close()
    if (document.hidden) return
    const source = new EventSource(this.#path + 'watch')
    this.#source = source
    source.onmessage = ({ data }) => this.#apply(JSON.parse(data))
    source.onerror = () => {
      this.isReachable = false
      // It answers, but does not know us: it is another process, or we were away for very long.
      if (source.readyState === EventSource.CLOSED) location.reload()
    }
  }

  /** @param {Snapshot} snapshot */
  #apply({ cable, serverIsUp, faults, connections, ghosts, arrivals, latest }) {
    const now = performance.now()
    for (const { id, kind, ageMs } of faults) {
      if (id <= this.#lastFaultId) continue
      this.#lastFaultId = id
      const pathWorked = this.pathWorks
      if (kind === 'heal') this.cable = 'in'
      if (kind === 'pull') this.cable = 'out'
      if (kind === 'oneWay') this.cable = 'oneWay'
      if (kind === 'away') this.serverIsUp = false
      if (kind === 'serverBack') this.serverIsUp = true
      this.#onFault({ kind, at: now - ageMs, pathWorks: this.pathWorks, pathWorked })
    }
    this.isReachable = true
    this.cable = cable
    this.serverIsUp = serverIsUp
    this.connections = connections
    this.ghosts = ghosts
    this.arrivals = arrivals
    this.latest = Math.max(this.latest, latest)
  }
}
