export { HeartlineError, type ErrorCode } from '../core/error.ts'
export {
  guard,
  guardDefaults,
  type GhostEvent,
  type GhostListener,
  type Guarded,
  type GuardOptions,
  type GuardStats,
} from './guard.ts'
export { createServer } from './create-server.ts'
export type { Identity } from './identity.ts'
export type { AuthenticateContext, AuthorizeContext, ServerOptions } from './options.ts'
export type { ServerEventMap, ServerStats } from './server-events.ts'
export type { SessionServer } from './session-server.ts'
export type { ServerMessage, ServerSessionEventMap, Session, SessionEnd } from './session.ts'
export type { HistoryMessage, PublishOptions, Topic, TopicEventMap } from './topic.ts'
export { memoryStore, type MemoryStoreOptions } from '../stores/memory.ts'
export type {
  Appended,
  AttachRequest,
  MaybePromise,
  NewSession,
  Refusal,
  Retention,
  Store,
  TopicInfo,
  TopicListener,
} from '../stores/store.ts'
export type { TopicEntry, TopicSlice } from '../core/subscriber.ts'
export type { From, Position } from '../protocol/frame.ts'
export { CloseCode } from '../protocol/close-codes.ts'
export type { RequestLike, WebSocketLike, WebSocketServerLike } from './web-socket-server-like.ts'
