import { CloseCode, connect } from 'heartline'
import { attempts } from './attempts.ts'
import { countText } from './figures-text.ts'
import type { HeartbeatTiming } from './probe-options.ts'
import type { Subject, SubjectListener } from './subject.ts'
import { tellingWebSocket } from './telling-web-socket.ts'

const HINT = 'if it is no heartline server, give --message <text> --reply <text>, or --silence-ms <ms>'
/** Errors of the network: there is no server, of whatever kind. */
const isUnreachable = (error: string | undefined) => /^(connect|getaddrinfo) /.test(error ?? '')

/** Probes a heartline server, by a session of its own. */
export function watchSession(
  url: URL,
  headers: Readonly<Record<string, string[]>>,
  { timing, auth }: { readonly timing: HeartbeatTiming; readonly auth: string | undefined },
  listener: SubjectListener,
): Subject {
  let error: string | undefined
  const session = connect(url, {
    ...attempts(timing.timeoutMs),
    heartbeat: timing,
    auth,
    WebSocket: tellingWebSocket(headers, (text) => (error = text)),
  })
  let wasOpen = false
  session.on('state', ({ state, ending, attempts, retryInMs }) => {
    wasOpen ||= state === 'open'
    const hint = wasOpen || isUnreachable(error) || ending?.code === CloseCode.unauthorized ? undefined : HINT
    listener.changed({ state, ending: ending && { ...ending, error, hint }, attempts, retryInMs })
    error = undefined
  })
  session.on('latency', ({ latencyMs }) => listener.answered(latencyMs))
  session.on('message', ({ data }) => listener.heard(data))
  session.on('resumed', ({ received }) =>
    listener.noted('resumed', `the session goes on, ${countText(received, 'missed message')} received`),
  )
  session.on('gap', ({ from, to, reason }) =>
    listener.noted('gap', `messages ${from} to ${to ?? '?'} of the server are missing: ${reason}`),
  )
  session.on('error', ({ message }) => listener.noted('error', message))
  return { close: () => session.close() }
}
