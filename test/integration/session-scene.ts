import { test as base } from 'vitest'
import { WebSocket } from 'ws'
import type { ConnectOptions, Session } from '../../src/client/index.ts'
import { connect } from '../../src/client/node.ts'
import type { GapEvent, LostEvent, Provider, Resumed, SessionMessage, StateEvent } from '../../src/client/index.ts'
import type { HeartlineError } from '../../src/client/index.ts'
import { decode } from '../../src/protocol/decode.ts'
import type { Frame } from '../../src/protocol/frame.ts'
import {
  createServer,
  type ServerMessage,
  type ServerOptions,
  type Session as ServerSession,
  type SessionEnd,
  type SessionServer,
} from '../../src/server/index.ts'
import { Scene } from './scene.ts'

/** Short enough for a test that waits for it, long enough that a busy machine is rarely taken for dead. */
export const shortHeartbeat = { intervalMs: 400, timeoutMs: 300 }
/** Retries that do not hold a test up. */
export const quickly = { minDelayMs: 1, maxDelayMs: 20 }

/** One WebSocket of a client, with all that went over it. */
export class TrackedWebSocket extends WebSocket {
  readonly startedAtMs = performance.now()
  readonly protocols: readonly string[]
  readonly frames: { readonly atMs: number; readonly frame: Frame }[] = []
  readonly sent: (string | Uint8Array)[] = []
  /** The close code, once it is closed. */
  closed: number | undefined

  constructor(url: string | URL, protocols: string | string[] = []) {
    super(url, protocols)
    this.protocols = [protocols].flat()
    // An ArrayBuffer, as the client wants it, if it is binary.
    this.on('message', (data, isBinary) =>
      this.frames.push({
        atMs: performance.now(),
        frame: decode(isBinary ? new Uint8Array(data as ArrayBuffer) : String(data)),
      }),
    )
    this.on('close', (code) => (this.closed = code))
  }

  override send(data: string | Uint8Array): void {
    this.sent.push(data)
    super.send(data)
  }
}

/** All that a client's session has told. */
export class ObservedSession {
  readonly session: Session
  /** Its connections and attempts, oldest first. */
  readonly transports: readonly TrackedWebSocket[]
  readonly messages: SessionMessage[] = []
  readonly states: StateEvent[] = []
  readonly resumes: Resumed[] = []
  readonly gaps: GapEvent[] = []
  readonly losses: LostEvent[] = []
  readonly errors: HeartlineError[] = []
  superseded = 0

  constructor(session: Session, transports: readonly TrackedWebSocket[], scene: SessionScene, name: string) {
    this.session = session
    this.transports = transports
    const { journal } = scene
    session.on('state', (event) => {
      this.states.push(event)
      journal.note(`${name}: ${event.state}`, event.ending)
    })
    session.on('resumed', (event) => {
      this.resumes.push(event)
      journal.note(`${name}: resumed`, event)
    })
    session.on('gap', (event) => {
      this.gaps.push(event)
      journal.note(`${name}: gap`, event)
    })
    session.on('lost', (event) => {
      this.losses.push(event)
      journal.note(`${name}: lost`, event)
    })
    session.on('error', (event) => {
      this.errors.push(event)
      journal.note(`${name}: error`, event.message)
    })
    session.on('superseded', () => {
      this.superseded++
      journal.note(`${name}: superseded`)
    })
  }

  /** Takes all messages from now on. */
  listen(scene: SessionScene, name = 'client'): this {
    this.session.on('message', (message) => {
      this.messages.push(message)
      scene.journal.note(`${name}: message`, message.data)
    })
    return this
  }

  get texts(): string[] {
    return this.messages.map(({ data }) => String(data))
  }

  /** All messages that were handed back. */
  get lost(): { readonly data: unknown; readonly wasSent: boolean }[] {
    return this.losses.flatMap(({ messages }) => messages)
  }

  /** The transport of now, or the last one. */
  get transport(): TrackedWebSocket {
    return this.transports.at(-1)!
  }
}

/** All that a server's session has told. */
export class ObservedServerSession {
  readonly session: ServerSession
  readonly messages: ServerMessage[] = []
  readonly resumes: { readonly sent: number; readonly received: number }[] = []
  readonly disconnects: { readonly code: number; readonly wasGhost: boolean }[] = []
  readonly errors: HeartlineError[] = []
  ended: { readonly reason: SessionEnd; readonly unacknowledged: number } | undefined

  constructor(session: ServerSession, scene: SessionScene, name: string) {
    this.session = session
    const { journal } = scene
    session.on('resumed', (event) => {
      this.resumes.push(event)
      journal.note(`${name}: resumed`, event)
    })
    session.on('disconnected', (event) => {
      this.disconnects.push(event)
      journal.note(`${name}: disconnected`, event)
    })
    session.on('error', (event) => {
      this.errors.push(event)
      journal.note(`${name}: error`, event.message)
    })
    session.on('ended', (event) => {
      this.ended = event
      journal.note(`${name}: ended`, event)
    })
  }

  get texts(): string[] {
    return this.messages.map(({ data }) => String(data))
  }
}

/** A server of sessions, with all that it has told. */
export class ObservedServer {
  readonly server: SessionServer
  readonly port: number
  readonly sessions: ObservedServerSession[] = []
  readonly errors: HeartlineError[] = []
  ghosts = 0

  constructor(server: SessionServer, port: number, scene: SessionScene, isListening: boolean) {
    this.server = server
    this.port = port
    server.on('session', (session) => {
      const name = `server session ${this.sessions.length + 1}`
      const observed = new ObservedServerSession(session, scene, name)
      this.sessions.push(observed)
      if (isListening)
        session.on('message', (message) => {
          observed.messages.push(message)
          scene.journal.note(`${name}: message`, message.data)
        })
      scene.journal.note(name)
    })
    server.on('ghost', () => void this.ghosts++)
    server.on('error', (error) => {
      this.errors.push(error)
      scene.journal.note('server: error', error.message)
    })
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }
}

/** Those who take part in one test of sessions. All of them end with it. */
export class SessionScene extends Scene {
  /** @param handles whether messages of clients are taken and kept; otherwise the test adds its own listener at `session` */
  async sessionServer(options: ServerOptions = {}, handles = true): Promise<ObservedServer> {
    const server = createServer({ ...(!options.server && { port: 0 }), ...options })
    this.atEnd(() => server.close())
    const { port } = await server.listening
    return new ObservedServer(server, port, this, handles)
  }

  /** Connects, with retries that do not wait. Its connections can be looked at. */
  connect(url: Provider<string | URL>, options: ConnectOptions = {}, name = 'client'): ObservedSession {
    const transports: TrackedWebSocket[] = []
    class WebSocket extends TrackedWebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols)
        transports.push(this)
      }
    }
    const session = connect(url, { WebSocket, reconnect: quickly, closeTimeoutMs: 0, ...options })
    this.atEnd(() => session.close())
    return new ObservedSession(session, transports, this, name)
  }

  /** A client and a server that know each other, and the session as the server sees it. */
  async pair(
    url: (server: ObservedServer) => string,
    serverOptions: ServerOptions = {},
    clientOptions: ConnectOptions = {},
  ): Promise<{ server: ObservedServer; client: ObservedSession; served: ObservedServerSession }> {
    const server = await this.sessionServer(serverOptions)
    const client = this.connect(url(server), clientOptions).listen(this)
    const served = await this.journal.until('the session', () => server.sessions[0])
    await this.isOpen(client)
    return { server, client, served }
  }

  isOpen({ session }: ObservedSession): Promise<unknown> {
    return this.journal.until('an open session', () => session.state === 'open')
  }
}

export const test = base.extend<{ scene: SessionScene }>({
  // oxlint-disable-next-line eslint/no-empty-pattern -- vitest asks for a pattern
  scene: async ({}, use) => {
    const scene = new SessionScene()
    await use(scene)
    await scene.end()
  },
})

/** `count` texts, numbered from 1. */
export const numbered = (name: string, count: number, first = 1): string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index + first}`)
