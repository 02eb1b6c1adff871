// Compile-time checks, run by `tsc`: options that cannot be are no options.
import {
  HeartbeatWebSocket,
  ReconnectingWebSocket,
  type HeartbeatOptions,
  type OutboxOptions,
  type Provider,
  type ReconnectOptions,
} from '../../src/websocket/index.ts'

export const heartbeats: HeartbeatOptions[] = [
  { message: 'ping' },
  { message: new Uint8Array(1), isReply: (data: ArrayBuffer) => data.byteLength === 1 },
  { message: () => `ping ${Date.now()}`, intervalMs: 1_000, timeoutMs: 500 },
  { silenceMs: 30_000 },
]
// @ts-expect-error It needs `message` or `silenceMs`.
export const nothing: HeartbeatOptions = {}
// @ts-expect-error It needs a `message`.
export const noMessage: HeartbeatOptions = { intervalMs: 1_000 }
// @ts-expect-error It is misspelt.
export const misspelt: HeartbeatOptions = { message: 'ping', interval: 1_000 }
// @ts-expect-error It must tell synchronously.
export const late: HeartbeatOptions = { message: 'ping', isReply: async () => true }

export const heartbeatSockets = [
  new HeartbeatWebSocket('wss://example.com', 'v1', { heartbeat: false, connectTimeoutMs: 1_000 }),
  new HeartbeatWebSocket(new URL('wss://example.com'), ['v1', 'v2'], { signal: AbortSignal.timeout(1_000) }),
  // @ts-expect-error A heartbeat has options.
  new HeartbeatWebSocket('wss://example.com', [], { heartbeat: true }),
  // @ts-expect-error It never reconnects.
  new HeartbeatWebSocket('wss://example.com', [], { reconnect: {} }),
  // @ts-expect-error Only ReconnectingWebSocket asks providers.
  new HeartbeatWebSocket(() => 'wss://example.com'),
]

export const providers: Provider<string | URL>[] = [
  'wss://example.com',
  new URL('wss://example.com'),
  () => 'wss://example.com',
  async ({ reason, attempts }) => `wss://example.com?${reason === 'rejected' ? 'fresh' : attempts}`,
]
export const reconnect: ReconnectOptions = {
  minDelayMs: 1,
  maxDelayMs: 2,
  maxAttempts: 3,
  stableAfterMs: 4,
  shouldReconnect: ({ cause }) => cause !== 'refused',
}
export const outbox: OutboxOptions = { maxMessages: 1, maxBytes: 2, onOverflow: 'dropOldest', inDoubt: 'resend' }
export const reconnectingSockets = [
  new ReconnectingWebSocket(providers[0]!, () => ['v1'], { reconnect, outbox, heartbeat: { silenceMs: 1_000 } }),
  new ReconnectingWebSocket('wss://example.com', async ({ reason }) => (reason === 'initial' ? undefined : ['v1'])),
  // @ts-expect-error It gives no URL.
  new ReconnectingWebSocket(() => 42),
  // @ts-expect-error There is no such reason.
  new ReconnectingWebSocket(({ reason }) => (reason === 'expired' ? 'wss://example.com' : '')),
  // @ts-expect-error There is no such choice.
  new ReconnectingWebSocket('wss://example.com', [], { outbox: { inDoubt: 'forget' } }),
  // @ts-expect-error It must decide synchronously.
  new ReconnectingWebSocket('wss://example.com', [], { reconnect: { shouldReconnect: async () => true } }),
]
