import { connect } from 'heartline'
import { INTERVAL_MS, RETRY_MS, TIMEOUT_MS } from './timing.js'

/** The third column: heartline at both ends. What one side sends reaches the other once and in order. */
export function connectSession(url, visitor, WebSocket = globalThis.WebSocket) {
  return connect(url, {
    auth: { visitor },
    heartbeat: { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
    connectTimeoutMs: TIMEOUT_MS,
    reconnect: { minDelayMs: RETRY_MS, maxDelayMs: RETRY_MS },
    WebSocket,
  })
}

/** Its readings are a topic: published once for all, and each subscriber goes on where it was. */
export function subscribeToReadings(session, onReading) {
  const readings = session.subscribe('readings')
  readings.on('message', ({ data }) => onReading(JSON.parse(data)))
  return readings
}
