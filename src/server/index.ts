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
export type { AuthenticateContext, Identity, ServerOptions } from './options.ts'
export type { ServerEventMap, ServerStats, SessionServer } from './session-server.ts'
export type { ServerMessage, ServerSessionEventMap, Session, SessionEnd } from './session.ts'
export { memoryStore, type MemoryStoreOptions } from '../stores/memory.ts'
export type { Appended, AttachRequest, MaybePromise, NewSession, Refusal, Store } from '../stores/store.ts'
export { CloseCode } from '../protocol/close-codes.ts'
export type { RequestLike, WebSocketLike, WebSocketServerLike } from './web-socket-server-like.ts'
