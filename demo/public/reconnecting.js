import { ReconnectingWebSocket } from 'heartline/websocket'
import { INTERVAL_MS, RETRY_MS, TIMEOUT_MS } from './timing.js'

/** The right column: the same heartbeat at the same times, by heartline. */
export function connectByHeartline(url, onReading, WebSocket = globalThis.WebSocket) {
  const socket = new ReconnectingWebSocket(url, [], {
    heartbeat: {
      message: 'ping',
      isReply: (data) => data === 'pong',
      intervalMs: INTERVAL_MS,
      timeoutMs: TIMEOUT_MS,
    },
    connectTimeoutMs: TIMEOUT_MS,
    reconnect: { minDelayMs: RETRY_MS, maxDelayMs: RETRY_MS },
    WebSocket,
  })
  socket.onmessage = ({ data }) => onReading(JSON.parse(data))
  return socket
}
