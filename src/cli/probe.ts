import type { Display } from './display.ts'
import type { Subject, SubjectListener } from './subject.ts'
import { Watch, type ProbeExitCode } from './watch.ts'

/** How long the other side has to hear of the end. */
const GOODBYE_MS = 1_000

/** When a probe ends, besides when there is nothing more to see. */
export interface ProbeEnd {
  readonly forMs: number | undefined
  readonly endsWhenOpen: boolean
  readonly signal: AbortSignal
}

export async function probe(
  makeSubject: (listener: SubjectListener) => Subject,
  display: Display,
  { forMs, endsWhenOpen, signal }: ProbeEnd,
): Promise<ProbeExitCode> {
  const watch = new Watch(display, endsWhenOpen)
  const subject = makeSubject(watch)
  const timer = forMs === undefined ? undefined : setTimeout(() => watch.end(), forMs)
  signal.addEventListener('abort', () => watch.end())
  if (signal.aborted) watch.end()
  await watch.over
  clearTimeout(timer)
  await settledWithin(GOODBYE_MS, subject.close())
  return watch.exitCode
}

async function settledWithin(ms: number, promise: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}
