import { inspect } from 'node:util'

/** Long enough for any machine: it only bounds a test that fails. */
const PATIENCE_MS = 15_000
const SHOWN_ENTRIES = 30

interface Waiter {
  /** @returns whether it waits no more */
  look(): boolean
}

/** What happened in a test, in order: the test waits for it, and a timeout reports all that was seen. */
export class Journal {
  readonly #startMs = performance.now()
  readonly #entries: string[] = []
  readonly #waiters = new Set<Waiter>()

  note(what: string, detail?: unknown): void {
    const shown =
      detail === undefined ? '' : ' ' + inspect(detail, { breakLength: Infinity, maxStringLength: 100, depth: 2 })
    this.#entries.push(`${(performance.now() - this.#startMs).toFixed(0)} ms: ${what}${shown}`)
    for (const waiter of this.#waiters) if (waiter.look()) this.#waiters.delete(waiter)
  }

  /** Resolves with what `find` returns as soon as that is truthy. It is asked now and after each entry. */
  until<T>(expected: string, find: () => T | undefined | null | false, withinMs = PATIENCE_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        look: () => {
          const found = find()
          if (!found) return false
          clearTimeout(timer)
          resolve(found)
          return true
        },
      }
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`Within ${withinMs} ms not seen: ${expected}. Seen:\n${this}`))
      }, withinMs)
      if (!waiter.look()) this.#waiters.add(waiter)
    })
  }

  toString(): string {
    const hidden = Math.max(0, this.#entries.length - SHOWN_ENTRIES)
    return [...(hidden ? [`(${hidden} entries before)`] : []), ...this.#entries.slice(hidden)]
      .map((line) => `  ${line}`)
      .join('\n')
  }
}
