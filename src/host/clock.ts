/** The longest delay of a platform's timer. */
export const MAX_TIMER_MS = 2_147_483_647

/** Monotonic milliseconds. */
export const now = (): number => performance.now()

/** Reports an error of the application's code as the platform does with one from a listener. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
