import { createClient } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocket as PartySocket } from 'partysocket'
import { Socket as PhoenixSocket } from 'phoenix'
import { createRequire } from 'node:module'
import type PladariaModule from 'reconnecting-websocket'
import type { WebSocketServer } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import type { ProbingHeartbeat, WebSocketConstructor } from '../../src/websocket/index.ts'
import type { Scene } from './scene.ts'

const require = createRequire(import.meta.url)
// By `require`, since the test runner would load another copy of `graphql` than the one that `graphql-ws` uses, and
// since the types of `reconnecting-websocket` say that it has a default export, which it has not in Node.
const { buildSchema } = require('graphql') as typeof import('graphql')
const PladariaSocket = require('reconnecting-websocket') as typeof PladariaModule.default

/** Retries of the libraries that do not hold a test up. */
const SOON_MS = 20

/** A library at work. */
export interface LibraryClient {
  /** Asks the server something by means of the library, and resolves when the right answer is there. */
  ask(text: string): Promise<void>
  end(): unknown
}

/** A library that takes a WebSocket class, and a server for it. */
export interface Library {
  readonly name: string
  /** A heartbeat that is legal in the protocol of the library and is answered by every server for it. */
  readonly heartbeat: ProbingHeartbeat
  serve(server: WebSocketServer): void
  connect(url: string, WebSocket: WebSocketConstructor, scene: Scene): LibraryClient
}

/** @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, Ping */
const graphqlWs: Library = {
  name: 'graphql-ws',
  heartbeat: { message: '{"type":"ping"}', isReply: (data) => JSON.parse(data).type === 'pong' },
  serve(server) {
    const schema = buildSchema('type Query { echo(text: String!): String! }')
    useServer({ schema, roots: { query: { echo: ({ text }: { text: string }) => text } } }, server)
  },
  connect(url, WebSocket) {
    const client = createClient({
      url,
      webSocketImpl: WebSocket,
      lazy: false,
      onNonLazyError: () => {},
      retryAttempts: Infinity,
      retryWait: () => new Promise((resolve) => setTimeout(resolve, SOON_MS)),
    })
    return {
      async ask(text) {
        const results = client.iterate<{ echo: string }>({
          query: 'query ($text: String!) { echo(text: $text) }',
          variables: { text },
        })
        for await (const { data } of results) if (data?.echo === text) return
        throw new Error('no answer')
      },
      end: () => client.dispose(),
    }
  },
}

/** @see https://hexdocs.pm/phoenix/writing_a_channels_client.html: [join_ref, ref, topic, event, payload] */
const phoenix: Library = {
  name: 'phoenix',
  heartbeat: {
    // The library numbers its own messages, so that this ref is never one of them.
    message: '[null,"heartline","phoenix","heartbeat",{}]',
    isReply: (data) => JSON.parse(data)[1] === 'heartline',
  },
  serve(server) {
    server.on('connection', (socket) =>
      socket.on('message', (data) => {
        const [joinRef, ref, topic, , payload] = JSON.parse(String(data))
        socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status: 'ok', response: payload }]))
      }),
    )
  },
  connect(url, WebSocket) {
    const socket = new PhoenixSocket(url, {
      transport: WebSocket,
      reconnectAfterMs: () => SOON_MS,
      rejoinAfterMs: () => SOON_MS,
    })
    socket.connect()
    const channel = socket.channel('room:lobby')
    channel.join()
    return {
      ask: (text) =>
        new Promise((resolve, reject) => {
          const check = (response: unknown) => {
            if ((response as { text: string }).text === text) resolve()
            else reject(new Error(`Expected ${text}, got ${JSON.stringify(response)}.`))
          }
          channel
            .push('echo', { text })
            .receive('ok', check)
            .receive('timeout', () => reject(new Error('timeout')))
        }),
      end: () => socket.disconnect(),
    }
  },
}

/** Writes a message of y-websocket: sync (0), its kind, and its bytes behind their length. */
function syncMessage(kind: 0 | 1 | 2, bytes: Uint8Array): Uint8Array {
  const length: number[] = []
  for (let rest = bytes.length; length.push(rest > 127 ? (rest & 127) | 128 : rest), rest > 127; rest >>>= 7);
  return Uint8Array.from([0, kind, ...length, ...bytes])
}

/** The bytes of such a message. */
function syncBytes(message: Uint8Array): Uint8Array {
  let start = 2
  while (message[start++]! > 127);
  return message.subarray(start)
}

/**
 * The heartbeat is the question for what is new (sync step 1), which every server answers, if only with an empty
 * update; an answer is told to the library, which applies it.
 *
 * @see https://github.com/yjs/y-protocols/blob/master/PROTOCOL.md
 */
const yWebsocket: Library = {
  name: 'y-websocket',
  heartbeat: { message: syncMessage(0, Y.encodeStateVector(new Y.Doc())) },
  serve(server) {
    const doc = new Y.Doc()
    const answers = doc.getMap('answers')
    doc.getMap('questions').observe((event, { local }) => {
      if (!local) for (const key of event.keysChanged) answers.set(key, true)
    })
    server.on('connection', (socket) => {
      const push = (update: Uint8Array) => socket.send(syncMessage(2, update))
      doc.on('update', push)
      socket.on('close', () => doc.off('update', push))
      socket.on('message', (data: Buffer) => {
        if (data[0] !== 0) return
        const bytes = syncBytes(data)
        if (data[1] === 0) socket.send(syncMessage(1, Y.encodeStateAsUpdate(doc, bytes)))
        else Y.applyUpdate(doc, bytes)
      })
      socket.send(syncMessage(0, Y.encodeStateVector(doc)))
    })
  },
  connect(url, WebSocket) {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(url, 'room', doc, {
      WebSocketPolyfill: WebSocket as typeof globalThis.WebSocket,
      disableBc: true,
      maxBackoffTime: SOON_MS,
    })
    const answers = doc.getMap('answers')
    return {
      ask: (text) =>
        new Promise((resolve) => {
          answers.observe(() => answers.has(text) && resolve())
          doc.getMap('questions').set(text, true)
        }),
      end() {
        provider.destroy()
        doc.destroy()
      },
    }
  },
}

/** Text that comes back; both packages with this interface hold it until they are connected. */
function echo(
  name: string,
  connect: (url: string, WebSocket: WebSocketConstructor) => PladariaModule.default | PartySocket,
): Library {
  return {
    name,
    heartbeat: { message: 'ping', isReply: (data) => data === 'pong' },
    serve(server) {
      server.on('connection', (socket) =>
        socket.on('message', (data) => socket.send(String(data) === 'ping' ? 'pong' : String(data))),
      )
    },
    connect(url, WebSocket, scene) {
      const socket = connect(url, WebSocket)
      const received: unknown[] = []
      socket.onmessage = ({ data }: MessageEvent) => {
        received.push(data)
        scene.journal.note(`${name}: message`, data)
      }
      return {
        async ask(text) {
          socket.send(text)
          await scene.journal.until(`the answer to ${text}`, () => received.includes(text))
        },
        end() {
          socket.close()
        },
      }
    },
  }
}

const soon = { minReconnectionDelay: SOON_MS, maxReconnectionDelay: SOON_MS }
const reconnectingWebsocket = echo(
  'reconnecting-websocket',
  (url, WebSocket) => new PladariaSocket(url, [], { WebSocket, ...soon }),
)
const partysocket = echo('partysocket', (url, WebSocket) => new PartySocket(url, [], { WebSocket, ...soon }))

export const libraries: readonly Library[] = [graphqlWs, phoenix, yWebsocket, reconnectingWebsocket, partysocket]
