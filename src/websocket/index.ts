export { CloseCode } from '../protocol/close-codes.ts'
export { HeartlineError, type ErrorCode } from '../core/error.ts'
export type { ConnectionState } from '../core/connection.ts'
export type { EndCause, Ending } from '../core/link.ts'
export { HeartbeatWebSocket } from './heartbeat-websocket.ts'
export * from './reconnecting-websocket.ts'
export type { CloseEventLike, ErrorEventLike, MessageEventLike, SocketEventMap } from './events.ts'
export {
  socketDefaults,
  type Data,
  type HeartbeatOptions,
  type ListeningHeartbeat,
  type ProbingHeartbeat,
  type SocketOptions,
} from './options.ts'
export type { WebSocketConstructor, WebSocketLike } from './web-socket-like.ts'
