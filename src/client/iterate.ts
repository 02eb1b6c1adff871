/**
 * Messages one by one: each counts as handled when the next one is asked for, or the loop is left.
 *
 * @param on adds a listener whose promise says when a message is handled. Returns a function that takes it away
 * @param over resolves when there can be no more
 */
export async function* iterate<M>(
  on: (listener: (message: M) => Promise<void>) => () => void,
  over: Promise<unknown>,
): AsyncGenerator<M, void, void> {
  let arrived: (() => void) | undefined
  let current: { readonly message: M; readonly done: () => void } | undefined
  let isOver = false
  // Once: whoever races with a promise that stays open leaves something behind in it each time.
  void over.then(() => {
    isOver = true
    arrived?.()
  })
  const off = on((message) => {
    return new Promise<void>((done) => {
      current = { message, done }
      arrived?.()
    })
  })
  try {
    for (;;) {
      if (!current && !isOver) await new Promise<void>((resolve) => (arrived = resolve))
      if (!current) return
      const { message, done } = current
      try {
        yield message
      } finally {
        current = undefined
        done()
      }
    }
  } finally {
    off()
  }
}
