import type { IncomingMessage, Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import { numberOptions, optionError } from '../core/option.ts'
import type { Retention, Store } from '../stores/store.ts'
import type { Identity } from './identity.ts'
import type { Session } from './session.ts'

/** What `authenticate` gets. */
export interface AuthenticateContext {
  /** What the client gave as option `auth`; anything, from anybody. */
  readonly auth: unknown
  /** The upgrade request, with its cookies, headers and URL. */
  readonly request: IncomingMessage
}

/** What `authorize` gets. */
export interface AuthorizeContext<I extends Identity = Identity> {
  readonly session: Session<I>
  /** What `authenticate` returned last. */
  readonly identity: I
  /** What the client wants to subscribe to. */
  readonly topic: string
}

export interface ServerOptions<I extends Identity = Identity> {
  /** Port of an HTTP server of its own, 0 to 65535; 0 takes a free one. Either this or `server`. */
  port?: number
  /** Address to listen at, with `port`. @default '127.0.0.1' */
  host?: string
  /** An HTTP or HTTPS server to attach to. Upgrade requests to other paths are left to it. */
  server?: Server | SecureServer
  /** Path of the URL that clients connect to. @default '/' */
  path?: string
  /** Where sessions are kept. @default memoryStore() */
  store?: Store
  /**
   * Says who a client is, at every attach. Returns a subject, or an object with one; anything falsy means that the client is
   * not accepted (close code 4901). If it throws, the client comes back later (4803), and the server's `error` event tells why.
   * @default everybody is the anonymous subject ''
   */
  authenticate?: (
    context: AuthenticateContext,
  ) => I | string | false | null | undefined | Promise<I | string | false | null | undefined>
  /**
   * Says whether a client may subscribe to a topic, when it asks for it and at every attach after that. Until it has answered,
   * the client gets nothing of the topic; then it may read all that is kept of it. If it throws, the client comes back later
   * (close code 4803), and the server's `error` event tells why. What the server itself subscribes a session to is not asked for.
   * @default no client may subscribe to anything
   */
  authorize?: (context: AuthorizeContext<I>) => boolean | Promise<boolean>
  /** How much of a topic is kept for those who come back or come late, unless `server.topic()` says otherwise. */
  topics?: {
    /** Most messages, 1 to Infinity. @default 10000 */
    maxMessages?: number
    /** Most bytes, 1 to Infinity; a text counts its length. The last message is kept, however large. @default 1048576 */
    maxBytes?: number
    /** Milliseconds after which a message is let go of, 1 to Infinity. @default 300000 */
    maxAgeMs?: number
  }
  /**
   * Origins of the pages that may connect, such as `https://example.com`; `'*'` for all. Clients that are no browsers send
   * no `Origin`, and are let through: this protects people from pages, it does not authenticate anybody.
   * A list takes the place of the default: add the server's own origin if its pages connect, too.
   * @default the server's own host
   */
  allowedOrigins?: readonly string[] | '*' | ((origin: string, request: IncomingMessage) => boolean)
  /** Detection of dead connections. */
  heartbeat?: {
    /** Milliseconds of silence after which a client is asked for a sign of life, 100 to 2147483647. @default 10000 */
    intervalMs?: number
    /** Milliseconds more after which its connection is dropped, 100 to 2147483647. @default 5000 */
    timeoutMs?: number
  }
  session?: {
    /** Milliseconds that a session is kept without a connection, 0 to 2147483647. @default 120000 */
    ttlMs?: number
    /**
     * When a client's messages are acknowledged: `handled`, when the promise that a `message` listener returns has resolved;
     * `received`, at once. @default 'handled'
     */
    acknowledge?: 'handled' | 'received'
  }
  limits?: {
    /** Largest message of a client, in bytes, 1 to 268435456; a text counts its length. @default 1048576 */
    maxMessageBytes?: number
    /** Most messages of a client that are not acknowledged, 1 to 65536. @default 4096 */
    maxPendingMessages?: number
    /** Most bytes of them, 1 to 268435456; one message may always be larger. @default 262144 */
    maxPendingBytes?: number
    /** Largest HELLO, in characters, 256 to 65536. @default 16384 */
    maxHelloBytes?: number
    /** Milliseconds from the upgrade to the WELCOME, `authenticate` included, 100 to 2147483647. @default 10000 */
    handshakeTimeoutMs?: number
    /** Most sessions, connected or not, 1 to Infinity. @default 100000 */
    maxSessions?: number
    /** Most sessions of one subject, 1 to Infinity; the anonymous subject has no such limit. @default 100 */
    maxSessionsPerSubject?: number
    /**
     * Most topics that a client may have subscribed to, 0 to 100000. Those that the server has subscribed it to count, but are
     * not refused. @default 1000
     */
    maxSubscriptionsPerSession?: number
  }
}

const MAX_TIMER_MS = 2_147_483_647

/** Default and range of each option that is a number. */
export const serverRules = {
  port: null,
  host: null,
  server: null,
  path: null,
  store: null,
  authenticate: null,
  authorize: null,
  topics: null,
  allowedOrigins: null,
  heartbeat: null,
  session: null,
  limits: null,
} as const
export const serverHeartbeatRules = {
  intervalMs: [10_000, 100, MAX_TIMER_MS],
  timeoutMs: [5_000, 100, MAX_TIMER_MS],
} as const
export const serverSessionRules = { acknowledge: null, ttlMs: [120_000, 0, MAX_TIMER_MS] } as const
export const serverLimitRules = {
  maxMessageBytes: [1_048_576, 1, 268_435_456],
  maxPendingMessages: [4_096, 1, 65_536],
  maxPendingBytes: [262_144, 1, 268_435_456],
  maxHelloBytes: [16_384, 256, 65_536],
  handshakeTimeoutMs: [10_000, 100, MAX_TIMER_MS],
  maxSessions: [100_000, 1, Infinity],
  maxSessionsPerSubject: [100, 1, Infinity],
  maxSubscriptionsPerSession: [1_000, 0, 100_000],
} as const
export const serverTopicRules = {
  maxMessages: [10_000, 1, Infinity],
  maxBytes: [1_048_576, 1, Infinity],
  maxAgeMs: [300_000, 1, Infinity],
} as const

/** @throws HeartlineError `ERR_OPTION` */
export function checkedRetention(options: Partial<Retention> = {}, base?: Retention, group = 'topics.'): Retention {
  const { maxMessages, maxBytes, maxAgeMs } = numberOptions(group, { ...base, ...options }, serverTopicRules)
  return { maxMessages, maxBytes, maxAgeMs }
}

/** Checks the options and fills in the defaults. @throws HeartlineError `ERR_OPTION` */
export function checkedOptions(options: ServerOptions<any>) {
  numberOptions('', options, serverRules)
  const { port, server, path = '/', session = {}, store } = options
  if ((port === undefined) === (server === undefined))
    throw optionError('Expected either `port` or `server`, not both.')
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw optionError(`Expected \`port\` to be a whole number from 0 to 65535, got ${String(port)}.`)
  if (server !== undefined && typeof server?.address !== 'function')
    throw optionError(
      'Expected `server` to be an HTTP or HTTPS server of Node, such as `createServer(app)` of `node:http` for an Express application.',
    )
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw optionError(`Expected \`path\` to be text that begins with /, got ${String(path)}.`)
  if (store !== undefined && typeof store?.attach !== 'function')
    throw optionError('Expected `store` to be a store, such as `memoryStore()`.')
  for (const name of ['authenticate', 'authorize'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'function')
      throw optionError(`Expected \`${name}\` to be a function.`)
  const { allowedOrigins } = options
  if (allowedOrigins !== undefined && allowedOrigins !== '*' && typeof allowedOrigins !== 'function')
    for (const origin of Array.isArray(allowedOrigins) ? (allowedOrigins as unknown[]) : [[allowedOrigins]])
      if (typeof origin !== 'string' || !/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/i.test(origin))
        throw optionError(
          `Expected \`allowedOrigins\` to be '*', a function, or an array of origins such as "https://example.com", got ${JSON.stringify(Array.isArray(origin) ? origin[0] : origin)}.`,
        )
  const { acknowledge = 'handled' } = session
  if (acknowledge !== 'handled' && acknowledge !== 'received')
    throw optionError(`Expected \`session.acknowledge\` to be handled or received, got ${String(acknowledge)}.`)
  return {
    path,
    acknowledge,
    ...numberOptions('heartbeat.', options.heartbeat ?? {}, serverHeartbeatRules),
    ...numberOptions('session.', session, serverSessionRules),
    ...numberOptions('limits.', options.limits ?? {}, serverLimitRules),
  }
}

export type CheckedOptions = ReturnType<typeof checkedOptions>
