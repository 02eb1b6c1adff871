import { numberOption, numberOptions, type OptionRule } from '../core/option.ts'

/** Options of {@link virtualClock}. */
export interface VirtualClockOptions {
  /** What the wall clock shows at first, in milliseconds since 1970. @default 946684800000, the year 2000 in UTC */
  wallMs?: number
}

/** The defaults of {@link VirtualClockOptions}. */
export const virtualClockDefaults = { wallMs: 946_684_800_000 } as const

/** What the timer functions return: all that a timer of Node has, and as a number the id that a browser would return. */
export interface VirtualTimer {
  /** Changes only what `hasRef()` returns, for nothing keeps virtual time going. */
  ref(): this
  unref(): this
  hasRef(): boolean
  /** Begins the delay anew, also after it has fired. A cleared timer stays cleared. */
  refresh(): this
  close(): this
  [Symbol.toPrimitive](): number
}

/** A clock that moves only when it is told to. Its methods can be taken off the object. */
export interface VirtualClock {
  /** Monotonic milliseconds since the clock was made. */
  readonly now: () => number
  /** What `Date.now()` returns. */
  readonly wallNow: () => number
  /**
   * Calls back once. As in Node a delay below 1 ms, above 2147483647 ms or that is no number counts as 1 ms, so that
   * code which re-arms itself without a delay cannot keep the clock from going on.
   */
  readonly setTimeout: <Args extends unknown[]>(
    callback: (...args: Args) => void,
    delayMs?: number,
    ...args: Args
  ) => VirtualTimer
  readonly clearTimeout: (timer: VirtualTimer | number | string | null | undefined) => void
  /** Calls back again and again. Calls that were missed are not made up for. */
  readonly setInterval: <Args extends unknown[]>(
    callback: (...args: Args) => void,
    delayMs?: number,
    ...args: Args
  ) => VirtualTimer
  readonly clearInterval: (timer: VirtualTimer | number | string | null | undefined) => void
  /**
   * Lets time pass, and fires all timers that fall due on the way, in order and each at its time.
   *
   * @throws HeartlineError `ERR_OPTION`; what a callback threw, or an AggregateError if several did, in either case
   * only when the time has passed and all timers have fired
   */
  readonly advance: (ms: number) => void
  /** As {@link advance}, but before, between and after the timers all promises settle that can. */
  readonly advanceAsync: (ms: number) => Promise<void>
  /**
   * Lets time pass while no timer fires, then fires late, in order, all that fell due: what a process sees that was
   * stopped, and a page that was frozen. Throws as {@link advance} does.
   */
  readonly freeze: (ms: number) => void
  /** Sets the wall clock forward, or back if negative. Nothing else notices. @throws HeartlineError `ERR_OPTION` */
  readonly jumpWallClock: (ms: number) => void
  /** How many timers are armed. */
  readonly pending: number
  /** When the next timer is due; `Infinity` if there is none. */
  readonly nextAt: number
  /**
   * Puts the clock's `setTimeout`, `clearTimeout`, `setInterval`, `clearInterval`, `performance.now` and `Date.now` in
   * place of the target's.
   *
   * `setImmediate`, `queueMicrotask` and `process.nextTick` stay: they take no time, and sockets need them. So does
   * `new Date()`.
   *
   * @param target @default globalThis
   * @returns a function that puts back what was there
   */
  readonly install: (target?: object) => () => void
}

/** The longest delay of a platform's timer. */
const MAX_TIMER_MS = 2_147_483_647
/** Far from what the platform gives out, so that a platform's timer is not taken for one of ours. */
const FIRST_ID = 1_000_000_000

const RULES = {
  wallMs: [virtualClockDefaults.wallMs, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} satisfies Record<keyof VirtualClockOptions, OptionRule>

const later: (callback: () => void) => unknown = globalThis.setImmediate ?? globalThis.setTimeout
/** One turn of the real event loop: every promise that can settle has done so when it is over. */
const turn = (): Promise<void> => new Promise((resolve) => void later(resolve))

/** Makes a clock that moves only when it is told to. @throws HeartlineError `ERR_OPTION` */
export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  return new Clock(numberOptions('', options, RULES).wallMs)
}

class Clock implements VirtualClock {
  #nowMs = 0
  #wallOffsetMs: number
  /** What is armed, by due time, then by the order of arming. */
  readonly #queue: Timer[] = []
  /** What can be cleared by its id. */
  readonly #timers = new Map<number, Timer>()
  #nextId = FIRST_ID

  constructor(wallMs: number) {
    this.#wallOffsetMs = wallMs
  }

  get pending(): number {
    return this.#queue.length
  }

  get nextAt(): number {
    return this.#queue[0]?.atMs ?? Infinity
  }

  readonly now = (): number => this.#nowMs

  readonly wallNow = (): number => Math.floor(this.#wallOffsetMs + this.#nowMs)

  readonly setTimeout = <Args extends unknown[]>(
    callback: (...args: Args) => void,
    delayMs?: number,
    ...args: Args
  ): Timer => this.#add(callback, delayMs, args, false)

  readonly setInterval = <Args extends unknown[]>(
    callback: (...args: Args) => void,
    delayMs?: number,
    ...args: Args
  ): Timer => this.#add(callback, delayMs, args, true)

  readonly clearTimeout = (timer: unknown): void => void this.#clear(timer)

  readonly clearInterval = this.clearTimeout

  readonly advance = (ms: number): void => {
    const untilMs = this.#nowMs + duration(ms)
    const errors: unknown[] = []
    while (this.#fireNext(untilMs, errors));
    this.#arrive(untilMs, errors)
  }

  readonly advanceAsync = async (ms: number): Promise<void> => {
    const untilMs = this.#nowMs + duration(ms)
    const errors: unknown[] = []
    do await turn()
    while (this.#fireNext(untilMs, errors))
    this.#arrive(untilMs, errors)
  }

  readonly freeze = (ms: number): void => {
    this.#nowMs += duration(ms)
    this.advance(0)
  }

  readonly jumpWallClock = (ms: number): void => {
    this.#wallOffsetMs += numberOption('ms', ms, NaN, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  }

  readonly install = (target: object = globalThis): (() => void) => {
    const host = target as Host
    const undo: (() => void)[] = []
    const replace = (owner: object | undefined, name: string, value: unknown): void => {
      if (!owner) return
      const original = Object.getOwnPropertyDescriptor(owner, name)
      Object.defineProperty(owner, name, {
        value,
        writable: true,
        configurable: true,
        enumerable: original?.enumerable ?? true,
      })
      undo.push(() => {
        if (original) Object.defineProperty(owner, name, original)
        else Reflect.deleteProperty(owner, name)
      })
    }
    // A timer from before the installation is cleared where it was made.
    const clear = (original: Host['clearTimeout']) => (timer: unknown) => {
      if (!this.#clear(timer)) original?.call(target, timer)
    }
    const promisified = (ms?: number, value?: unknown): Promise<unknown> =>
      new Promise((resolve) => void this.setTimeout(resolve, ms, value))
    const setTimeout = Object.assign((...args: Parameters<VirtualClock['setTimeout']>) => this.setTimeout(...args), {
      // What `util.promisify(setTimeout)` looks for.
      [Symbol.for('nodejs.util.promisify.custom')]: promisified,
    })
    replace(host, 'setTimeout', setTimeout)
    replace(host, 'clearTimeout', clear(host.clearTimeout))
    replace(host, 'setInterval', this.setInterval)
    replace(host, 'clearInterval', clear(host.clearInterval))
    replace(host.performance, 'now', this.now)
    replace(host.Date, 'now', this.wallNow)
    return () => {
      while (undo.length) undo.pop()!()
    }
  }

  /** Puts the timer in its place, behind those that are due at the same instant. */
  arm(timer: Timer): void {
    this.disarm(timer)
    timer.atMs = this.#nowMs + timer.delayMs
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#queue[middle]!.atMs <= timer.atMs) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, timer)
    this.#timers.set(timer.id, timer)
  }

  disarm(timer: Timer): void {
    const index = this.#queue.indexOf(timer)
    if (index >= 0) this.#queue.splice(index, 1)
  }

  #add(callback: (...args: any[]) => void, delayMs: number | undefined, args: unknown[], repeats: boolean): Timer {
    if (typeof callback !== 'function')
      throw new TypeError(`Expected a function to call back, got ${String(callback)}.`)
    const ms = Math.trunc(Number(delayMs))
    const timer = new Timer(
      this,
      this.#nextId++,
      () => callback(...args),
      ms >= 1 && ms <= MAX_TIMER_MS ? ms : 1,
      repeats,
    )
    this.arm(timer)
    return timer
  }

  /** @returns whether the timer is one of this clock's */
  #clear(value: unknown): boolean {
    const timer = value instanceof Timer ? value : this.#timers.get(Number(value))
    if (timer?.clock !== this) return false
    timer.isCleared = true
    this.disarm(timer)
    this.#timers.delete(timer.id)
    return true
  }

  /** Fires the next timer if it is due by then. Its error is put aside. @returns whether there was one */
  #fireNext(untilMs: number, errors: unknown[]): boolean {
    if (this.nextAt > untilMs) return false
    const timer = this.#queue.shift()!
    const { atMs } = timer
    this.#nowMs = Math.max(this.#nowMs, atMs)
    timer.atMs = NaN
    try {
      timer.callback()
    } catch (error) {
      errors.push(error)
    }
    const isArmed = !Number.isNaN(timer.atMs)
    if (isArmed || timer.isCleared) return true
    if (timer.repeats) this.arm(timer)
    else this.#timers.delete(timer.id)
    return true
  }

  #arrive(atMs: number, errors: unknown[]): void {
    this.#nowMs = Math.max(this.#nowMs, atMs)
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} timers threw.`)
    if (errors.length) throw errors[0]
  }
}

class Timer implements VirtualTimer {
  readonly clock: Clock
  readonly id: number
  readonly callback: () => void
  readonly delayMs: number
  readonly repeats: boolean
  /** When it is due; NaN while it is being fired. */
  atMs = NaN
  isCleared = false
  #isRef = true

  constructor(clock: Clock, id: number, callback: () => void, delayMs: number, repeats: boolean) {
    this.clock = clock
    this.id = id
    this.callback = callback
    this.delayMs = delayMs
    this.repeats = repeats
  }

  ref(): this {
    this.#isRef = true
    return this
  }

  unref(): this {
    this.#isRef = false
    return this
  }

  hasRef(): boolean {
    return this.#isRef
  }

  refresh(): this {
    if (!this.isCleared) this.clock.arm(this)
    return this
  }

  close(): this {
    this.clock.clearTimeout(this)
    return this
  }

  [Symbol.toPrimitive](): number {
    return this.id
  }
}

interface Host {
  clearTimeout?: (timer: any) => void
  clearInterval?: (timer: any) => void
  readonly performance?: object
  readonly Date?: object
}

function duration(ms: number): number {
  return numberOption('ms', ms, NaN, 0, Number.MAX_SAFE_INTEGER)
}
