/** A promise that is settled from outside. */
export interface Deferred {
  readonly promise: Promise<string>
  resolve(value: string): void
  reject(reason: unknown): void
}

/** `Promise.withResolvers()`, which Node 20 does not have. */
export function deferred(): Deferred {
  let settle: Omit<Deferred, 'promise'>
  const promise = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle! }
}
