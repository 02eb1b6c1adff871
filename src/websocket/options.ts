import type { HeartbeatTiming } from '../core/heartbeat.ts'
import type { LinkTiming } from '../core/link.ts'
import { numberOptions, optionError } from '../core/option.ts'
import { MAX_TIMER_MS } from '../host/clock.ts'
import { isBinary, type Data } from './data.ts'
import type { WebSocketConstructor } from './web-socket-like.ts'

/** Asks the server for a sign of life on a timer. */
export interface ProbingHeartbeat {
  /** The message to send; a function is called for each heartbeat, for protocols whose heartbeats are numbered. */
  message: Data | (() => Data)
  /**
   * Tells the answer to a heartbeat from other messages, by returning `true`. Such answers are hidden from the application, and only they
   * give latency: the server must answer every heartbeat, once. Without it nothing is hidden and there is no latency.
   * Any message is a sign of life either way.
   */
  isReply?: (data: any) => boolean
  /** Milliseconds from one heartbeat to the next, 100 to 2147483647. @default 10000 */
  intervalMs?: number
  /** Milliseconds that the server has to be heard after a heartbeat, 100 to 2147483647. @default 5000 */
  timeoutMs?: number
}

/** Only listens, for servers that speak by themselves. */
export interface ListeningHeartbeat {
  /** Milliseconds without any message after which the server is dead, 100 to 2147483647. */
  silenceMs: number
}

export type HeartbeatOptions = ProbingHeartbeat | ListeningHeartbeat

/** Options of both classes. */
export interface SocketOptions {
  /** The constructor to make connections with, such as that of the `ws` package. @default globalThis.WebSocket */
  WebSocket?: WebSocketConstructor
  /**
   * How to find out that the path is dead. Off unless given, since a server that does not answer must not be declared
   * dead. @default false
   */
  heartbeat?: HeartbeatOptions | false
  /** Milliseconds that an attempt may take, its providers included, 100 to 2147483647. @default 10000 */
  connectTimeoutMs?: number
  /** Closes for good when it aborts. */
  signal?: AbortSignal
}

/** Default and range of each option that is a number. */
export const socketRules = {
  WebSocket: null,
  heartbeat: null,
  signal: null,
  connectTimeoutMs: [10_000, 100, MAX_TIMER_MS],
} as const
export const probingRules = {
  message: null,
  isReply: null,
  intervalMs: [10_000, 100, MAX_TIMER_MS],
  timeoutMs: [5_000, 100, MAX_TIMER_MS],
} as const
/** Longest time for a closing handshake where no `timeoutMs` says otherwise. */
const CLOSE_TIMEOUT_MS = probingRules.timeoutMs[0]
export const listeningRules = { silenceMs: [NaN, 100, MAX_TIMER_MS] } as const

/** Finds the likeliest mistake, before it leads to another error. @throws HeartlineError `ERR_OPTION` */
export function checkProtocols(protocols: unknown): void {
  if (typeof protocols === 'object' && protocols && !(Symbol.iterator in protocols)) {
    throw optionError(
      'Expected `protocols` to be text or an array: options are the third argument, `(url, [], options)`.',
    )
  }
}

/** Checks the options and gives the core its part of them. @throws HeartlineError `ERR_OPTION` */
export function linkTiming(options: SocketOptions): LinkTiming {
  const { connectTimeoutMs } = numberOptions('', options, socketRules)
  const heartbeat =
    (options.heartbeat ?? false) === false ? undefined : heartbeatTiming(options.heartbeat as HeartbeatOptions)
  const closeTimeoutMs = heartbeat?.listenOnly
    ? Math.min(heartbeat.timeoutMs, CLOSE_TIMEOUT_MS)
    : (heartbeat?.timeoutMs ?? CLOSE_TIMEOUT_MS)
  return { connectTimeoutMs, closeTimeoutMs, heartbeat }
}

/** Checks the heartbeat options and brings both kinds into one form. @throws HeartlineError `ERR_OPTION` */
function heartbeatTiming(heartbeat: HeartbeatOptions): HeartbeatTiming {
  const { message, isReply, silenceMs } = heartbeat as Partial<ProbingHeartbeat & ListeningHeartbeat>
  if (silenceMs !== undefined && message === undefined) {
    numberOptions('heartbeat.', heartbeat, listeningRules)
    return { intervalMs: silenceMs, timeoutMs: silenceMs, listenOnly: true }
  }
  const timing = numberOptions('heartbeat.', heartbeat, probingRules)
  if (typeof message !== 'string' && typeof message !== 'function' && !isBinary(message)) {
    throw optionError('Expected `heartbeat.message` (text, binary, or a function) or `heartbeat.silenceMs`.')
  }
  if (isReply && typeof isReply !== 'function') throw optionError('Expected `heartbeat.isReply` to be a function.')
  return { ...timing, listenOnly: false }
}
