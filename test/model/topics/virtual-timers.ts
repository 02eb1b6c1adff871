import type { EventQueue } from '../sessions/event-queue.ts'

const names = ['setImmediate', 'setInterval', 'clearInterval'] as const

/**
 * Lets shells run in virtual time while `play` does: their timers are events of the queue, and their clock is its time. What
 * `play` awaits MUST be nothing but promises that are resolved meanwhile, so that nobody else sees these timers.
 */
export async function withVirtualTimers<T>(queue: EventQueue, play: () => Promise<T>): Promise<T> {
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name)!)
  const running = new Set<object>()
  const timers = {
    setImmediate: (run: () => void) => queue.after(0, run),
    setInterval: (run: () => void, ms: number) => {
      const timer = { unref: () => timer }
      running.add(timer)
      const tick = (): void => {
        if (!running.has(timer)) return
        run()
        queue.after(ms, tick)
      }
      queue.after(ms, tick)
      return timer
    },
    clearInterval: (timer: object) => running.delete(timer),
  }
  for (const name of names)
    Object.defineProperty(globalThis, name, { value: timers[name], configurable: true, writable: true })
  Object.defineProperty(performance, 'now', { value: () => queue.now, configurable: true, writable: true })
  try {
    return await play()
  } finally {
    for (const [index, name] of names.entries()) Object.defineProperty(globalThis, name, before[index]!)
    Reflect.deleteProperty(performance, 'now')
  }
}
