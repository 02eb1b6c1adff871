import { ReconnectingWebSocket } from 'heartline/websocket'
import { INTERVAL_MS, RETRY_MS, TIMEOUT_MS } from './timing.js'

/** The second column: the same heartbeat at the same times, by heartline. The server needs no change. */
export function connectByHeartline(url, onMessage, WebSocket = globalThis.WebSocket) {
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
  socket.onmessage = ({ data }) => onMessage(JSON.parse(data))
  return socket
}
