export { CloseCode } from '../protocol/close-codes.ts'
export { HeartlineError, type ErrorCode } from '../core/error.ts'
export type { ConnectionState } from '../core/connection.ts'
export type { EndCause, Ending } from '../core/link.ts'
export { HeartbeatWebSocket, type HeartbeatWebSocketClass } from './heartbeat-websocket.ts'
export {
  ReconnectingWebSocket,
  type DropEvent,
  type OutboxOptions,
  type ReconnectingEventMap,
  type ReconnectingOptions,
  type StateChangeEvent,
} from './reconnecting-websocket.ts'
export type { Data } from './data.ts'
export type { CloseEventLike, ErrorEventLike, MessageEventLike, SocketEventMap } from './events.ts'
export type { HeartbeatOptions, ListeningHeartbeat, ProbingHeartbeat, SocketOptions } from './options.ts'
export type { WebSocketConstructor, WebSocketLike } from './web-socket-like.ts'
export type { Provider, ProviderContext } from '../host/provider.ts'
export type { ReconnectOptions } from '../host/reconnect.ts'
