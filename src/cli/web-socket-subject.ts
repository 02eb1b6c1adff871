import { ReconnectingWebSocket, type HeartbeatOptions } from 'heartline/websocket'
import { attempts } from './attempts.ts'
import type { PlainHeartbeat } from './probe-options.ts'
import { RoundTrips } from './round-trips.ts'
import type { Subject, SubjectListener } from './subject.ts'
import { tellingWebSocket } from './telling-web-socket.ts'

/** Probes any WebSocket server. */
export function watchWebSocket(
  url: URL,
  headers: Readonly<Record<string, string[]>>,
  heartbeat: PlainHeartbeat,
  listener: SubjectListener,
): Subject {
  const roundTrips = new RoundTrips()
  let error: string | undefined
  const socket = new ReconnectingWebSocket(url, [], {
    ...attempts('timing' in heartbeat ? heartbeat.timing.timeoutMs : 0),
    WebSocket: tellingWebSocket(headers, (text) => (error = text)),
    heartbeat: heartbeatOptions(heartbeat, roundTrips, listener),
  })
  socket.onmessage = ({ data }) => listener.heard(data)
  socket.onstatechange = ({ state, ending, attempts, retryInMs }) => {
    if (state === 'open') roundTrips.reset()
    listener.changed({ state, ending: ending && { ...ending, error }, attempts, retryInMs })
    error = undefined
  }
  return {
    close: () =>
      new Promise((resolve) => {
        if (socket.state === 'closed') resolve()
        socket.onclose = () => resolve()
        socket.close()
      }),
  }
}

function heartbeatOptions(
  heartbeat: PlainHeartbeat,
  roundTrips: RoundTrips,
  listener: SubjectListener,
): HeartbeatOptions {
  if ('silenceMs' in heartbeat) return heartbeat
  const { message, reply, timing } = heartbeat
  return {
    ...timing,
    message: () => {
      roundTrips.sent(performance.now())
      listener.heartbeatSent()
      return message
    },
    ...(reply !== undefined && {
      isReply: (data: unknown) => {
        if (data !== reply) return false
        listener.answered(roundTrips.answered(performance.now()))
        return true
      },
    }),
  }
}
