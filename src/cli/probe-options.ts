import { validateHeaderName, validateHeaderValue } from 'node:http'
import { UsageError, type Given, type Parsed } from './argument-parser.ts'
import { commonOptions } from './command.ts'

/** The longest delay of a timer. */
const MAX_TIMER_MS = 2_147_483_647

export const probeOptions = {
  message: { kind: 'text', value: 'text', about: 'heartbeat message, for any WebSocket server' },
  reply: { kind: 'text', value: 'text', about: 'what the server answers to each --message; gives latency' },
  'silence-ms': {
    kind: 'number',
    value: 'ms',
    about: 'send no heartbeat: so much silence of the server is an outage',
    least: 100,
    most: MAX_TIMER_MS,
  },
  'interval-ms': {
    kind: 'number',
    value: 'ms',
    about: 'from one heartbeat to the next',
    least: 100,
    most: MAX_TIMER_MS,
    fallback: 1_000,
  },
  'timeout-ms': {
    kind: 'number',
    value: 'ms',
    about: 'time that the server has to be heard after a heartbeat',
    least: 100,
    most: MAX_TIMER_MS,
    fallback: 5_000,
  },
  for: { kind: 'number', value: 'seconds', about: 'end after this time', least: 0.1, most: 2_147_483 },
  'until-open': { kind: 'flag', about: 'end as soon as it is open; with --for, in that time or fail' },
  json: { kind: 'flag', about: 'one JSON object a line' },
  auth: { kind: 'text', value: 'text', about: 'credential for a heartline server; better: HEARTLINE_AUTH' },
  header: { kind: 'many', value: 'name:value', about: 'request header, as often as needed' },
  ...commonOptions,
} as const

/** How to find out that a plain WebSocket server is there. */
export type PlainHeartbeat =
  | { readonly message: string; readonly reply: string | undefined; readonly timing: HeartbeatTiming }
  | { readonly silenceMs: number }

export interface HeartbeatTiming {
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** What a probe is to do. */
export interface ProbePlan {
  readonly url: URL
  readonly headers: Readonly<Record<string, string[]>>
  /** A plain WebSocket server, or a session with a heartline server. */
  readonly target:
    | { readonly kind: 'plain'; readonly heartbeat: PlainHeartbeat }
    | { readonly kind: 'session'; readonly timing: HeartbeatTiming; readonly auth: string | undefined }
  readonly forMs: number | undefined
  readonly endsWhenOpen: boolean
  readonly isJson: boolean
}

type ProbeRules = typeof probeOptions
type ProbeGiven = Given<ProbeRules>
type Environment = Readonly<Record<string, string | undefined>>

/** @throws UsageError */
export function probePlan({ given, positionals }: Parsed<ProbeRules>, env: Environment): ProbePlan {
  const [address, ...rest] = positionals
  if (address === undefined) throw new UsageError('Expected a URL, such as ws://127.0.0.1:8080.')
  if (rest.length)
    throw new UsageError(
      `Expected one URL and options, got ${positionals.length} values; put quotes around a value with spaces.`,
    )
  return {
    url: urlFrom(address),
    headers: headersFrom(given.header ?? []),
    target: targetFrom(given, env),
    forMs: given.for === undefined ? undefined : given.for * 1_000,
    endsWhenOpen: given['until-open'] ?? false,
    isJson: given.json ?? false,
  }
}

function targetFrom(given: ProbeGiven, env: Environment): ProbePlan['target'] {
  const { message, reply, auth } = given
  const silenceMs = given['silence-ms']
  const timing = {
    intervalMs: given['interval-ms'] ?? probeOptions['interval-ms'].fallback,
    timeoutMs: given['timeout-ms'] ?? probeOptions['timeout-ms'].fallback,
  }
  if (reply !== undefined && message === undefined) throw new UsageError('--reply needs --message.')
  if (message !== undefined && silenceMs !== undefined)
    throw new UsageError('Expected --message or --silence-ms, not both.')
  if (message === undefined && silenceMs === undefined)
    return { kind: 'session', timing, auth: auth ?? env['HEARTLINE_AUTH'] }
  if (auth !== undefined)
    throw new UsageError(
      "--auth is for heartline servers. With --message or --silence-ms use --header 'authorization: …'.",
    )
  if (silenceMs === undefined) return { kind: 'plain', heartbeat: { message: message!, reply, timing } }
  for (const name of ['interval-ms', 'timeout-ms'] as const)
    if (given[name] !== undefined) throw new UsageError(`--${name} has no meaning with --silence-ms.`)
  return { kind: 'plain', heartbeat: { silenceMs } }
}

/** The address is not shown: it may hold a password. */
function urlFrom(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (!url || !['ws:', 'wss:'].includes(url.protocol))
    throw new UsageError('Expected a URL that begins with ws:// or wss://, such as ws://127.0.0.1:8080.')
  if (url.hash) throw new UsageError('Expected a URL without a fragment (#).')
  return url
}

/** The values are not shown: they may be secret. */
function headersFrom(lines: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]*):\s*(.*)$/s.exec(line) ?? []
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw new UsageError('Expected --header as name:value, such as --header origin:https://example.com.')
    }
    ;(headers[name.toLowerCase()] ??= []).push(value)
  }
  return headers
}
