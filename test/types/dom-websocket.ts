// Compile-time checks, run by `tsc`: where the DOM's WebSocket is asked for, the classes can be given.
import { HeartbeatWebSocket, ReconnectingWebSocket } from '../../src/websocket/index.ts'

const heartbeat = new HeartbeatWebSocket('wss://example.com')
const reconnecting = new ReconnectingWebSocket('wss://example.com')
const Given = HeartbeatWebSocket.with({ heartbeat: { message: 'ping' } })

/** What libraries use of a WebSocket when they do not look at `this` in handlers. */
type Used = Omit<WebSocket, 'onopen' | 'onmessage' | 'onerror' | 'onclose'>
export const usedHeartbeat: Used = heartbeat
export const usedReconnecting: Used = reconnecting
export const usedGiven: Used = new Given('wss://example.com', ['v1'])
export const target: EventTarget = heartbeat

// Handlers as code for the DOM's WebSocket has them.
const onmessage = ({ data, origin }: Pick<MessageEvent<string>, 'data' | 'origin'>) => data + origin
const onclose = ({ code, reason, wasClean }: CloseEvent) => [code, reason, wasClean]
heartbeat.onmessage = reconnecting.onmessage = onmessage
heartbeat.onclose = reconnecting.onclose = onclose
heartbeat.onopen = reconnecting.onopen = heartbeat.onerror = reconnecting.onerror = (event: Event) => event.type
heartbeat.onopen = heartbeat.onmessage = heartbeat.onerror = heartbeat.onclose = null

// The constants, with their values, of classes and instances.
export const constants: [0, 1, 2, 3] = [
  HeartbeatWebSocket.CONNECTING,
  ReconnectingWebSocket.OPEN,
  heartbeat.CLOSING,
  reconnecting.CLOSED,
]
export const readyState: 0 | 1 | 2 | 3 = heartbeat.readyState

// @ts-expect-error It is read-only.
heartbeat.readyState = 1
// @ts-expect-error It is read-only.
heartbeat.bufferedAmount = 0
// @ts-expect-error There is no such binary type.
heartbeat.binaryType = 'nodebuffer'
// @ts-expect-error Numbers are no data.
heartbeat.send(1)

heartbeat.onmessage = (event: MessageEvent<string>) => event.data

export const domHeartbeat: WebSocket = heartbeat
export const domReconnecting: WebSocket = reconnecting
export const domClass: typeof WebSocket = HeartbeatWebSocket
export const domGiven: typeof WebSocket = Given
