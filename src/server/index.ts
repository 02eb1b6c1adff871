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
export type { RequestLike, WebSocketLike, WebSocketServerLike } from './web-socket-server-like.ts'
