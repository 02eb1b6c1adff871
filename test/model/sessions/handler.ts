import type { EventQueue } from './event-queue.ts'

/** How an application handles its messages: by the number of the delivery, over and over. */
export type HandlerPlan = readonly ('at once' | 'fails' | number)[]

/** An application's message handler, which may take its time, and may fail. */
export class Handler {
  readonly #queue: EventQueue
  readonly #plan: HandlerPlan
  readonly #effects: { done(isHandled: boolean): void }
  #deliveries = 0
  #atOnce = 0

  constructor(queue: EventQueue, plan: HandlerPlan, effects: { done(isHandled: boolean): void }) {
    this.#queue = queue
    this.#plan = plan
    this.#effects = effects
  }

  /** @returns whether the message is handled; otherwise `done` follows */
  deliver(note: () => void): boolean {
    const plan = this.#plan[this.#deliveries++ % this.#plan.length]!
    if (++this.#atOnce > 1) throw new Error('Two messages are handled at the same time.')
    if (plan === 'at once') {
      this.#atOnce--
      note()
      return true
    }
    this.#queue.after(plan === 'fails' ? 1 : plan, () => {
      this.#atOnce--
      if (plan !== 'fails') note()
      this.#effects.done(plan !== 'fails')
    })
    return false
  }
}
