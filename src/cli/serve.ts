import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createServer, type Session } from 'heartline/server'
import { Failure } from './command.ts'
import { errorText } from './error-text.ts'
import { countText, durationText } from './figures-text.ts'
import { logLine } from './log-line.ts'
import { printable } from './printable.ts'
import type { ServePlan } from './serve-options.ts'
import type { Colour, Terminal } from './terminal.ts'

/** How long clients have to finish when the server stops. */
const DRAIN_MS = 2_000
/** Enough of a session's id to tell sessions apart. */
const SHOWN_ID = 8

/**
 * Serves until the signal: sends each message back, and each line of the input to all sessions.
 *
 * @throws Failure if it cannot listen
 */
export async function serve(plan: ServePlan, input: Readable, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const log = (what: string, more: string, colour: Colour): void => logLine(terminal, new Date(), what, more, colour)
  const server = createServer(plan)
  let isListening = false
  server.on('error', ({ message, cause }) => {
    if (isListening) log('error', errorText(cause ?? message), 'red')
  })
  server.on('session', (session) => {
    logSession(session, log)
    session.on('message', ({ data }) => session.send(data))
  })
  server.on('ghost', ({ session, silenceMs }) =>
    log('ghost', `${shownId(session)} was silent for ${durationText(silenceMs)}, its connection is dropped`, 'red'),
  )
  const { host, port } = await server.listening.catch((cause: unknown) => {
    throw new Failure(`Cannot listen on port ${plan.port} of ${plan.host}: ${errorText(cause)}.`)
  })
  isListening = true
  log('listening', `ws://${host.includes(':') ? `[${host}]` : host}:${port}${plan.path}`, 'green')
  const lines = createInterface({ input })
  lines.on('line', (line) => {
    const sessions = [...server.sessions()]
    for (const session of sessions) void session.send(line)
    log('sent', `"${printable(line)}" to ${countText(sessions.length, 'session')}`, 'green')
  })
  await aborted(signal)
  lines.close()
  log('closing', countText(server.stats.connections, 'connection'), 'yellow')
  await server.close({ drainMs: DRAIN_MS })
}

function logSession(session: Session, log: (what: string, more: string, colour: Colour) => void): void {
  const id = shownId(session)
  log('session', `${id} has begun`, 'green')
  session.on('resumed', ({ sent, received }) =>
    log('resumed', `${id}: ${countText(sent, 'missed message')} sent, ${received} received once more`, 'green'),
  )
  session.on('disconnected', ({ code, reason }) =>
    log('cut', `${id}: code ${code}${reason && `, "${printable(reason)}"`}`, 'yellow'),
  )
  session.on('ended', ({ reason, unacknowledged }) =>
    log(
      'ended',
      `${id}: ${reason}${unacknowledged ? `, ${countText(unacknowledged, 'message')} not acknowledged` : ''}`,
      'yellow',
    ),
  )
}

function shownId(session: Session | undefined): string {
  return session?.id.slice(0, SHOWN_ID) ?? 'a connection without session'
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
}
