import { connect } from 'heartline'
import { INTERVAL_MS, RETRY_MS, TIMEOUT_MS } from './timing.js'

/** The third column: heartline at both ends. What one side sends reaches the other once and in order. */
export function connectSession(url, onMessage, WebSocket = globalThis.WebSocket) {
  const session = connect(url, {
    heartbeat: { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
    connectTimeoutMs: TIMEOUT_MS,
    reconnect: { minDelayMs: RETRY_MS, maxDelayMs: RETRY_MS },
    WebSocket,
  })
  session.on('message', ({ data }) => onMessage(JSON.parse(data)))
  return session
}
