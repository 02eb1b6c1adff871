/** When something happened: on the clock that only goes forward, and on the wall. */
export interface Moment {
  readonly ms: number
  readonly date: Date
}

export function thisMoment(): Moment {
  return { ms: performance.now(), date: new Date() }
}
