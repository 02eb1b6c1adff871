import type { ClientSessionOptions } from '../core/client-session.ts'
import { numberOptions, optionError } from '../core/option.ts'
import { MAX_TIMER_MS } from '../host/clock.ts'
import type { ProviderContext } from '../host/provider.ts'
import type { ReconnectOptions } from '../host/reconnect.ts'

/** What a session needs of a WebSocket: the WHATWG one, that of the `ws` package, or any other of that shape. */
export interface SessionTransport {
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  binaryType: any
  readonly bufferedAmount: number
  readonly protocol: string
  close(code?: number, reason?: string): void
  send(data: any): void
  /** Ends the connection without a closing handshake, where the runtime has it (`ws`, Bun). */
  terminate?(): void
}

export type SessionTransportConstructor = new (url: string | URL, protocols?: string | string[]) => SessionTransport

export interface SessionHeartbeatOptions {
  /** Milliseconds without a frame after which the server is asked for one, 100 to 2147483647. @default 10000 */
  intervalMs?: number
  /** Milliseconds more after which it counts as dead, 100 to 2147483647. @default 5000 */
  timeoutMs?: number
}

export interface SessionOutboxOptions {
  /** Most messages that are not acknowledged, 1 to Infinity. @default 1000 */
  maxMessages?: number
  /** Most bytes of them, 1 to Infinity; a text counts its length. A larger message goes alone. @default 4194304 */
  maxBytes?: number
  /**
   * What happens to a message for which there is no room: `fail` rejects its `send()` with `ERR_OUTBOX_FULL`; `wait` keeps
   * it until there is room, so await `send()` then, or what waits has no bound. @default 'fail'
   */
  onOverflow?: 'fail' | 'wait'
}

/** Options of `connect()`. */
export interface ConnectOptions {
  /**
   * Who this client is, for the server's `authenticate`: any value that JSON has, or a function that is asked for it at
   * every attempt, so that a token can be renewed. Travels inside the upgrade request or the first frame, never in the URL.
   */
  auth?: string | number | boolean | object | null | undefined | ((context: ProviderContext) => unknown)
  /** Detection of a dead path. While data is on its way, about two seconds instead. */
  heartbeat?: SessionHeartbeatOptions
  reconnect?: ReconnectOptions
  outbox?: SessionOutboxOptions
  /**
   * When the server's messages are acknowledged: `handled`, when the promise that a `message` listener returns has
   * resolved; `received`, at once. @default 'handled'
   */
  acknowledge?: 'handled' | 'received'
  /** Milliseconds that an attempt may take, providers and handshake included, 100 to 2147483647. @default 10000 */
  connectTimeoutMs?: number
  /** Milliseconds that `close()` waits for what is not acknowledged, 0 to 2147483647. @default 5000 */
  closeTimeoutMs?: number
  /** Largest message of the server, in bytes, 1 to Infinity; a larger one ends the connection. @default 16777216 */
  maxMessageBytes?: number
  /** The constructor to make connections with. @default `globalThis.WebSocket`; in Node that of the `ws` package */
  WebSocket?: SessionTransportConstructor
  /** Closes the session when it aborts. */
  signal?: AbortSignal
}

/** Default and range of each option that is a number. */
export const connectRules = {
  auth: null,
  heartbeat: null,
  reconnect: null,
  outbox: null,
  acknowledge: null,
  WebSocket: null,
  signal: null,
  connectTimeoutMs: [10_000, 100, MAX_TIMER_MS],
  closeTimeoutMs: [5_000, 0, MAX_TIMER_MS],
  maxMessageBytes: [16_777_216, 1, Infinity],
} as const
export const sessionHeartbeatRules = {
  intervalMs: [10_000, 100, MAX_TIMER_MS],
  timeoutMs: [5_000, 100, MAX_TIMER_MS],
} as const
export const sessionOutboxRules = {
  onOverflow: null,
  maxMessages: [1_000, 1, Infinity],
  maxBytes: [4_194_304, 1, Infinity],
} as const

/** What the server may have on its way to us. */
const WINDOW = { messages: 4_096, bytes: 262_144 }

/** Checks the options and gives the core its part of them. @throws HeartlineError `ERR_OPTION` */
export function sessionOptions(options: ConnectOptions): ClientSessionOptions {
  const { heartbeat = {}, outbox = {}, acknowledge = 'handled' } = options
  const { connectTimeoutMs, closeTimeoutMs, maxMessageBytes } = numberOptions('', options, connectRules)
  const { intervalMs, timeoutMs } = numberOptions('heartbeat.', heartbeat, sessionHeartbeatRules)
  const limits = numberOptions('outbox.', outbox, sessionOutboxRules)
  const { onOverflow = 'fail' } = outbox
  oneOf('acknowledge', acknowledge, ['handled', 'received'])
  oneOf('outbox.onOverflow', onOverflow, ['fail', 'wait'])
  return {
    ...limits,
    waitsForRoom: onOverflow === 'wait',
    acknowledge,
    window: WINDOW,
    maxMessageBytes,
    timing: {
      connectTimeoutMs,
      closeTimeoutMs,
      // The server asks after its own interval; if it does not, we do a little later, and it has the rest of the time.
      heartbeat: {
        intervalMs: intervalMs + timeoutMs / 5,
        timeoutMs: timeoutMs * 0.8,
        listenOnly: false,
        whenSilent: true,
      },
    },
  }
}

function oneOf(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw optionError(`Expected \`${name}\` to be ${choices.join(' or ')}, got ${value}.`)
}
