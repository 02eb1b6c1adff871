// Compile-time checks, run by `tsc`: the classes can be given to libraries, and other classes to them.
import { createClient } from 'graphql-ws'
import { PartySocket, WebSocket as PartyWebSocket } from 'partysocket'
import type ReconnectingModule from 'reconnecting-websocket'
import { WebSocket as WsWebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import type { Doc } from 'yjs'
import {
  HeartbeatWebSocket,
  ReconnectingWebSocket,
  type SocketOptions,
  type WebSocketConstructor,
  type WebSocketLike,
} from '../../src/websocket/index.ts'

declare const Pladaria: typeof ReconnectingModule.default
declare const doc: Doc

const Given = HeartbeatWebSocket.with({
  WebSocket: WsWebSocket,
  heartbeat: { message: 'ping', isReply: (data) => data === 'pong' },
})

// To libraries.
export const constructor: new (url: string | URL, protocols?: string | string[]) => HeartbeatWebSocket = Given
const options = { WebSocket: Given }
export const clients = [
  createClient({ url: 'wss://example.com', webSocketImpl: Given }),
  new Pladaria('wss://example.com', [], options),
  new PartyWebSocket('wss://example.com', [], options),
  new PartySocket({ host: 'example.com', room: 'lobby', ...options }),
  new WebsocketProvider('wss://example.com', 'room', doc, { WebSocketPolyfill: Given }),
]

// From other packages and runtimes.
export const constructors: WebSocketConstructor[] = [
  WsWebSocket,
  globalThis.WebSocket,
  class extends WsWebSocket {},
  Given,
  HeartbeatWebSocket,
]
export const instances: WebSocketLike[] = [
  new WsWebSocket('ws://localhost'),
  new globalThis.WebSocket('ws://localhost'),
]
export const ownOptions: SocketOptions[] = [{ WebSocket: WsWebSocket }, { WebSocket: globalThis.WebSocket }]
export const socket = new ReconnectingWebSocket('wss://example.com', [], { WebSocket: WsWebSocket })

// @ts-expect-error It does not make sockets.
export const noConstructor: WebSocketConstructor = EventTarget
// @ts-expect-error `with()` takes the options of HeartbeatWebSocket only.
export const NotGiven = HeartbeatWebSocket.with({ reconnect: {} })
// @ts-expect-error The options are built in.
export const given = new Given('wss://example.com', [], { heartbeat: false })
