import type { Provider } from '../host/provider.ts'
import type { ConnectOptions } from './options.ts'
import { Session } from './session.ts'

/**
 * Begins a session with a heartline server. It connects by itself, and again whenever the connection dies.
 *
 * @param url where the server is, or a function that is asked for it at every attempt
 * @throws HeartlineError `ERR_OPTION`, `ERR_NO_WEBSOCKET`
 * @example
 * const session = connect('wss://example.com/live')
 * session.on('message', ({ data }) => console.log(data))
 * await session.send('hello')
 */
export function connect(url: Provider<string | URL>, options: ConnectOptions = {}): Session {
  return new Session(url, options)
}

export { HeartlineError, type ErrorCode } from '../core/error.ts'
export type { Resumed } from '../core/client-session.ts'
export type { ConnectionState } from '../core/connection.ts'
export type { EndCause, Ending } from '../core/link.ts'
export type { Provider, ProviderContext } from '../host/provider.ts'
export type { ReconnectOptions } from '../host/reconnect.ts'
export type { From, GapReason, Payload, Position } from '../protocol/frame.ts'
export type { SubscriptionState } from '../core/client-subscription.ts'
export type { GapEvent, LostEvent, SessionEventMap, SessionMessage, StateEvent, TopicMessage } from './events.ts'
export type {
  ConnectOptions,
  SessionHeartbeatOptions,
  SessionOutboxOptions,
  SessionTransport,
  SessionTransportConstructor,
} from './options.ts'
export { CloseCode } from '../protocol/close-codes.ts'
export type { Session, SubscribeOptions } from './session.ts'
export type { SnapshotContext, Subscription, SubscriptionEventMap } from './subscription.ts'
