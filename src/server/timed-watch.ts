import type { GhostCheck } from '../core/ghost-check.ts'
import { GhostWatch, type GhostEffects } from '../core/ghost-watch.ts'

/** A {@link GhostWatch} with the timer that wakes it. The timer does not keep the process alive. */
export class TimedWatch<C extends GhostCheck> {
  readonly #watch: GhostWatch<C>
  #timer: ReturnType<typeof setTimeout> | undefined
  #immediate: ReturnType<typeof setImmediate> | undefined

  constructor(effects: Omit<GhostEffects<C>, 'now'>, intervalMs: number, timeoutMs: number) {
    this.#watch = new GhostWatch({ ...effects, now }, intervalMs, timeoutMs, now())
  }

  get size(): number {
    return this.#watch.size
  }

  get ghosts(): number {
    return this.#watch.ghosts
  }

  get lateTicks(): number {
    return this.#watch.lateTicks
  }

  get stalledMs(): number {
    return this.#watch.stalledMs
  }

  add(check: C): void {
    this.#watch.add(check, now())
    if (!this.#timer && !this.#immediate) this.#sleep()
  }

  remove(check: C): void {
    this.#watch.remove(check)
    if (this.#watch.size) return
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#timer = this.#immediate = undefined
  }

  expect(check: C): void {
    // Asked for each message: not even the time is looked at if it changes nothing.
    if (!check.isExpected) this.#watch.expect(check, now())
  }

  silence(check: C): { silenceMs: number; maxSilenceMs: number } {
    return this.#watch.silence(check, now())
  }

  #sleep(): void {
    this.#timer = setTimeout(this.#wake, this.#watch.sleep(now()))
    this.#timer.unref()
  }

  /** Between its timers and its immediates the event loop reads from the network: decisions are made after that. */
  readonly #wake = (): void => {
    this.#timer = undefined
    this.#immediate = setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    const isUnfinished = this.#watch.turn(now())
    this.#immediate = undefined
    // A listener may have ended the watch, or begun a new one, which then has a timer of its own.
    if (!this.#watch.size || this.#timer) return
    if (isUnfinished) this.#wake()
    else this.#sleep()
  }
}

/** Monotonic milliseconds. */
function now(): number {
  return performance.now()
}
