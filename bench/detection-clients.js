// The clients that bench/detection.js compares, for any runtime: bundled into one file that sets `globalThis.startClients`.
import PartySocket from 'partysocket/ws'
import ReconnectingWebSocketPackage from 'reconnecting-websocket'
import WebsocketHeartbeatJs from 'websocket-heartbeat-js'
import { HeartbeatWebSocket, ReconnectingWebSocket } from '../dist/websocket.js'

/** Heartbeats as in all clients that have some: every 2 s, with 1 s to answer. */
const intervalMs = 2_000
const timeoutMs = 1_000
const heartbeat = { message: 'ping', isReply: (data) => data === 'pong', intervalMs, timeoutMs }

/** The recipe of countless articles: ping on a timer, close() when no answer comes, connect again in onclose. */
function plainRecipe(url, WebSocket) {
  let timer
  const socket = new WebSocket(url)
  const beat = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      socket.send('ping')
      timer = setTimeout(() => socket.close(), timeoutMs)
    }, intervalMs)
  }
  socket.onopen = beat
  socket.onmessage = beat
  socket.onclose = () => {
    clearTimeout(timer)
    plainRecipe(url, WebSocket)
  }
}

/** Each makes its connection; what happens next is seen at the proxy. `ended` is for the one that does not reconnect. */
const clients = {
  HeartbeatWebSocket: (url, WebSocket, ended) => {
    const socket = new HeartbeatWebSocket(url, [], { WebSocket, heartbeat })
    socket.onclose = ended
  },
  ReconnectingWebSocket: (url, WebSocket) => void new ReconnectingWebSocket(url, [], { WebSocket, heartbeat }),
  'plain recipe': plainRecipe,
  'websocket-heartbeat-js 1.1.3': (url, WebSocket) => {
    globalThis.WebSocket = WebSocket
    void new (WebsocketHeartbeatJs.default ?? WebsocketHeartbeatJs)({
      url,
      pingTimeout: intervalMs,
      pongTimeout: timeoutMs,
      reconnectTimeout: 100,
      pingMsg: 'ping',
    })
  },
  'reconnecting-websocket 4.4.0': (url, WebSocket) => void new ReconnectingWebSocketPackage(url, [], { WebSocket }),
  'partysocket 1.3.0': (url, WebSocket) => void new PartySocket(url, [], { WebSocket }),
}

export const clientNames = Object.keys(clients)

/** Starts each client at the URL of its name. */
globalThis.startClients = (urls, WebSocket, ended) => {
  for (const [name, url] of Object.entries(urls)) clients[name](url, WebSocket, () => ended(name))
}
