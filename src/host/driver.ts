import { MAX_TIMER_MS, now } from './clock.ts'

/** A machine of the core, as its {@link Driver} sees it. Each call may come at any time; what does not apply changes nothing. */
export interface Driven {
  /** Instant at which its `tick` wants to be called next; `Infinity` while nothing is awaited. */
  readonly deadline: number
  /** The host woke up, came online, became visible or was restored. */
  wake(now: number): void
  /** The page goes away and may come back. */
  hide(now: number): void
}

/** A clock that differs from the timers' one by this much more than before has jumped: the host was asleep. */
const CLOCK_JUMP_MS = 1_000
/**
 * A timer that is too early by less than this is left to fire: an early tick changes nothing, and setting a timer anew
 * for every frame that moves the deadline costs more. No longer, since Chromium delays timers of hidden tabs that were
 * set by timers, as the one after an early tick is; one that a frame has set is on time.
 */
const EARLY_MS = 250

/** Gives a machine the one timer that it has, and the host's signals. Decides nothing. */
export class Driver {
  readonly #machine: Driven
  readonly #tickMachine: (now: number) => void
  /** Adds all listeners on the host and the signal, or takes them away. */
  #listen: ((method: 'addEventListener' | 'removeEventListener') => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Infinity
  #clockOffsetMs = NaN

  /** @param tick calls the machine's `tick`, with what else that wants to know */
  constructor(machine: Driven, tick: (now: number) => void) {
    this.#machine = machine
    this.#tickMachine = tick
  }

  /** Sets the timer to the machine's deadline. To be called after every input that does not come from here. */
  arm(): void {
    const { deadline } = this.#machine
    // Infinity less itself is not a number: there is no timer, and none is wanted.
    if (!(deadline < this.#timerAt || deadline - this.#timerAt >= EARLY_MS)) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    // Never early by a fraction of a millisecond, and not longer than timers can be: waking too soon does no harm.
    if (deadline < Infinity) this.#timer = setTimeout(() => this.#tick(), Math.min(MAX_TIMER_MS, deadline - now() + 1))
  }

  /** Arms, begins to listen to the host, and calls `abort` when the signal aborts: at once if it has. */
  start(signal: AbortSignal | undefined, abort: () => void): void {
    this.arm()
    const onSignal = ({ type, persisted }: { type: string; persisted?: boolean }): void => {
      if (type === 'pagehide') this.#machine.hide(now())
      else if (type === 'visibilitychange' ? !globalThis.document.hidden : type !== 'pageshow' || persisted)
        this.#machine.wake(now())
      this.arm()
    }
    // Not with the option `signal`: Node forgets to take listeners away that share a target (nodejs/node, weak handlers).
    this.#listen = (method) => {
      for (const type of ['online', 'pageshow', 'pagehide']) globalThis[method]?.(type, onSignal as any)
      for (const type of ['visibilitychange', 'resume']) globalThis.document?.[method]?.(type, onSignal as any)
      signal?.[method]('abort', abort)
    }
    this.#listen('addEventListener')
    if (signal?.aborted) abort()
  }

  /** Takes all listeners away. The timer goes with the deadline: at `Infinity` {@link arm} clears it. */
  stop(): void {
    this.#listen?.('removeEventListener')
  }

  #tick(): void {
    this.#timerAt = Infinity
    const clockOffsetMs = Date.now() - now()
    if (Math.abs(clockOffsetMs - this.#clockOffsetMs) > CLOCK_JUMP_MS) this.#machine.wake(now())
    this.#clockOffsetMs = clockOffsetMs
    this.#tickMachine(now())
    this.arm()
  }
}
