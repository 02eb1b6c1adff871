// @ts-check

/**
 * What the server says of the stage.
 * @typedef {object} Snapshot
 * @property {string} bootId
 * @property {Record<string, string>} urls
 * @property {'in' | 'out' | 'oneWay'} cable
 * @property {boolean} serverIsUp
 * @property {{ id: number, kind: string, ageMs: number }[]} faults
 * @property {{ connections: number, ghosts: number }} guard
 * @property {number} latest Number of the newest reading.
 *
 * Something that was done, with the time of this page's clock.
 * @typedef {{ kind: string, at: number, pathWorks: boolean, pathWorked: boolean }} Fault
 */

/**
 * Knows which faults are in force, for every tab the same, and does new ones. It talks plain HTTP, apart from the
 * connections that are being tested. A hidden page does not listen, since a browser opens only six connections to a
 * host; when it is seen again it is told what it missed.
 */
export class StageClient {
  /** @type {Snapshot['cable']} */
  cable = 'in'
  serverIsUp = true
  isReachable = true
  guard = { connections: 0, ghosts: 0 }
  latest = 0
  #bootId
  #lastFaultId = 0
  /** @type {EventSource | undefined} */
  #source
  #onFault

  /** @param {Snapshot} snapshot @param {(fault: Fault) => void} onFault */
  constructor(snapshot, onFault) {
    this.#bootId = snapshot.bootId
    this.#lastFaultId = snapshot.faults.at(-1)?.id ?? 0
    this.#onFault = onFault
    this.#apply(snapshot)
    document.addEventListener('visibilitychange', () => this.#listen())
    this.#listen()
  }

  static async load() {
    return /** @type {Promise<Snapshot>} */ ((await fetch('/api/state')).json())
  }

  /** Whether a new connection would work now. */
  get pathWorks() {
    return this.cable === 'in' && this.serverIsUp
  }

  /** @param {string} action */
  async act(action) {
    try {
      this.#apply(await (await fetch('/api/' + action, { method: 'POST' })).json())
    } catch {
      this.isReachable = false
    }
  }

  #listen() {
    this.#source?.close()
    if (document.hidden) return
    this.#source = new EventSource('/api/watch')
    this.#source.onmessage = ({ data }) => this.#apply(JSON.parse(data))
    this.#source.onerror = () => (this.isReachable = false)
  }

  /** @param {Snapshot} snapshot */
  #apply({ bootId, cable, serverIsUp, faults, guard, latest }) {
    // Another process: its proxies have other ports.
    if (bootId !== this.#bootId) return location.reload()
    const now = performance.now()
    for (const { id, kind, ageMs } of faults) {
      if (id <= this.#lastFaultId) continue
      this.#lastFaultId = id
      const pathWorked = this.pathWorks
      if (kind === 'heal') this.cable = 'in'
      if (kind === 'pull') this.cable = 'out'
      if (kind === 'oneWay') this.cable = 'oneWay'
      if (kind === 'restart') this.serverIsUp = false
      if (kind === 'serverBack') this.serverIsUp = true
      this.#onFault({ kind, at: now - ageMs, pathWorks: this.pathWorks, pathWorked })
    }
    this.isReachable = true
    this.cable = cable
    this.serverIsUp = serverIsUp
    this.guard = guard
    this.latest = Math.max(this.latest, latest)
  }
}
