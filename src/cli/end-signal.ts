import { constants } from 'node:os'

/** Aborts when the process is asked to end, or nobody reads its output any more. A second request ends it at once. */
export function endSignal(): AbortSignal {
  const ended = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (ended.signal.aborted) process.exit(128 + constants.signals[name])
      ended.abort()
    })
  }
  process.stdout.on('error', () => ended.abort())
  return ended.signal
}
