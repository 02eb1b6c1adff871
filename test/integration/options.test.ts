import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { HeartbeatWebSocket, HeartlineError, ReconnectingWebSocket } from '../../src/websocket/index.ts'

const MAX_TIMER_MS = 2_147_483_647

/** A class of which no instance may be made. */
class ForbiddenWebSocket extends WebSocket {
  constructor() {
    expect.unreachable('an attempt was made')
    super('ws://127.0.0.1:1/')
  }
}

/** Options that must be refused, as JavaScript may give them, and what the message says. */
type Refused = readonly [options: object, message: string]

const range = (name: string, least: number, most: number, got: unknown) =>
  `Expected \`${name}\` to be a number from ${least} to ${most}, got ${typeof got === 'string' ? `"${got}"` : String(got)}.`
const numbers = (
  name: string,
  least: number,
  most: number,
  nest: (value: unknown) => object,
  values: readonly unknown[],
): Refused[] => values.map((value) => [nest(value), range(name, least, most, value)])

const ofBoth: readonly Refused[] = [
  ...numbers('connectTimeoutMs', 100, MAX_TIMER_MS, (connectTimeoutMs) => ({ connectTimeoutMs }), [
    99,
    2 ** 31,
    NaN,
    '1000',
    -1,
  ]),
  ...numbers(
    'heartbeat.intervalMs',
    100,
    MAX_TIMER_MS,
    (intervalMs) => ({ heartbeat: { message: 'ping', intervalMs } }),
    [0, 99, Infinity, '500'],
  ),
  ...numbers('heartbeat.timeoutMs', 100, MAX_TIMER_MS, (timeoutMs) => ({ heartbeat: { message: 'ping', timeoutMs } }), [
    0,
    99.9,
    2 ** 31,
    NaN,
  ]),
  ...numbers('heartbeat.silenceMs', 100, MAX_TIMER_MS, (silenceMs) => ({ heartbeat: { silenceMs } }), [
    0,
    2 ** 31,
    '500',
  ]),
  [{ heartbeat: {} }, 'Expected `heartbeat.message` (text, binary, or a function) or `heartbeat.silenceMs`.'],
  [{ heartbeat: true }, '`heartbeat'],
  [{ heartbeat: 'ping' }, '`heartbeat'],
  [{ heartbeat: { message: 'ping', isReply: 'pong' } }, 'Expected `heartbeat.isReply` to be a function.'],
  [{ heartbeat: { message: 'ping', silenceMs: 1_000 } }, '`heartbeat.'],
  [{ heartbeat: { silenceMs: 1_000, intervalMs: 1_000 } }, 'Unknown option `heartbeat.intervalMs`.'],
  [{ heartbeat: { message: 'ping', interval: 1_000 } }, 'Unknown option `heartbeat.interval`.'],
  [{ heartBeat: { message: 'ping' } }, 'Unknown option `heartBeat`.'],
]

const ofReconnecting: readonly Refused[] = [
  ...numbers('reconnect.minDelayMs', 1, MAX_TIMER_MS, (minDelayMs) => ({ reconnect: { minDelayMs } }), [
    0,
    2 ** 31,
    '1',
  ]),
  ...numbers('reconnect.maxDelayMs', 1, MAX_TIMER_MS, (maxDelayMs) => ({ reconnect: { maxDelayMs } }), [0, Infinity]),
  ...numbers('reconnect.maxAttempts', 0, Infinity, (maxAttempts) => ({ reconnect: { maxAttempts } }), [-1, NaN, '3']),
  ...numbers('reconnect.stableAfterMs', 0, Infinity, (stableAfterMs) => ({ reconnect: { stableAfterMs } }), [-1, NaN]),
  ...numbers('outbox.maxMessages', 0, Infinity, (maxMessages) => ({ outbox: { maxMessages } }), [-1, NaN, '3']),
  ...numbers('outbox.maxBytes', 0, Infinity, (maxBytes) => ({ outbox: { maxBytes } }), [-1, NaN]),
  [{ reconnect: { retries: 3 } }, 'Unknown option `reconnect.retries`.'],
  [{ outbox: { onOverflow: 'drop' } }, '`outbox.onOverflow`'],
  [{ outbox: { inDoubt: 'forget' } }, '`outbox.inDoubt`'],
  [{ outbox: { limit: 3 } }, 'Unknown option `outbox.limit`.'],
  [{ maxRetries: 3 }, 'Unknown option `maxRetries`.'],
]

function refusal(make: () => unknown): HeartlineError {
  try {
    make()
  } catch (error) {
    expect(error).toBeInstanceOf(HeartlineError)
    return error as HeartlineError
  }
  return expect.unreachable('the options were taken')
}

const show = (refused: readonly Refused[]) =>
  refused.map(
    ([options, message]) =>
      [
        JSON.stringify(options, (_, value: unknown) => (typeof value === 'number' ? String(value) : value)),
        options,
        message,
      ] as const,
  )

describe('an option that cannot be is refused by its name, with its range, and no attempt is made', () => {
  test.each(show(ofBoth))('HeartbeatWebSocket %s', (_, options, message) => {
    const error = refusal(
      () => new HeartbeatWebSocket('ws://127.0.0.1:1/', [], { WebSocket: ForbiddenWebSocket, ...options }),
    )
    expect(error.code).toBe('ERR_OPTION')
    expect(error.message).toContain(message)
  })

  test.each(show([...ofBoth, ...ofReconnecting]))('ReconnectingWebSocket %s', (_, options, message) => {
    const error = refusal(
      () => new ReconnectingWebSocket('ws://127.0.0.1:1/', [], { WebSocket: ForbiddenWebSocket, ...options }),
    )
    expect(error.code).toBe('ERR_OPTION')
    expect(error.message).toContain(message)
  })

  test('HeartbeatWebSocket does not take the options of ReconnectingWebSocket', () => {
    const options = { WebSocket: ForbiddenWebSocket, reconnect: {} }
    expect(refusal(() => new HeartbeatWebSocket('ws://127.0.0.1:1/', [], options)).message).toBe(
      'Unknown option `reconnect`.',
    )
  })
})

test('every end of every range is taken', () => {
  for (const options of [
    { heartbeat: { message: 'ping', intervalMs: 100, timeoutMs: 100 }, connectTimeoutMs: 100 },
    {
      heartbeat: { message: 'ping', intervalMs: MAX_TIMER_MS, timeoutMs: MAX_TIMER_MS },
      connectTimeoutMs: MAX_TIMER_MS,
    },
    { heartbeat: { silenceMs: 100 } },
    { heartbeat: { silenceMs: MAX_TIMER_MS } },
    { heartbeat: false as const, reconnect: { minDelayMs: 1, maxDelayMs: 1, maxAttempts: 0, stableAfterMs: 0 } },
    {
      reconnect: { minDelayMs: MAX_TIMER_MS, maxDelayMs: MAX_TIMER_MS, maxAttempts: Infinity, stableAfterMs: Infinity },
    },
    { outbox: { maxMessages: 0, maxBytes: 0 } },
    { outbox: { maxMessages: Infinity, maxBytes: Infinity, onOverflow: 'throw' as const, inDoubt: 'report' as const } },
  ]) {
    const socket = new ReconnectingWebSocket('ws://127.0.0.1:1/', [], { WebSocket, ...options })
    expect(socket.readyState).toBe(0)
    socket.close()
  }
})

describe('without a global WebSocket', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test.each([HeartbeatWebSocket, ReconnectingWebSocket])('%o throws ERR_NO_WEBSOCKET unless one is given', (Socket) => {
    vi.stubGlobal('WebSocket', undefined)
    expect(refusal(() => new Socket('ws://127.0.0.1:1/')).code).toBe('ERR_NO_WEBSOCKET')
    new Socket('ws://127.0.0.1:1/', [], { WebSocket }).close()
  })

  test('one that becomes there later is taken', () => {
    vi.stubGlobal('WebSocket', WebSocket)
    const socket = new HeartbeatWebSocket('ws://127.0.0.1:1/')
    expect(socket.readyState).toBe(0)
    socket.close()
  })
})
