// @ts-check
import { createServer } from 'heartline/server'
import { HEARTBEAT, MAX_MESSAGE_BYTES, MAX_VISITORS } from './limits.js'
import { PEOPLE, Room, ROOM } from './room.js'

/** @import { HostReadings } from './host-readings.js' */
/** @import { Visitor } from './visitors.js' */

/** The topic of the readings. */
const READINGS = 'readings'
/** How long a session waits for its client, and the topics keep what it has not got. */
const KEEP_MS = 600_000
/** One page has one session, and those that it has lost lately. */
const MAX_SESSIONS_PER_VISITOR = 4

/**
 * The heartline server that all pages share, with its topics: the readings, which are published once for everybody, and the
 * room, in which everybody writes.
 */
export class SessionServer {
  #server
  #stopListening

  /**
   * @param {HostReadings} readings
   * @param {(origin: string | undefined) => boolean} isAllowedOrigin
   * @param {(id: string) => Visitor | undefined} visitorOf
   */
  constructor(readings, isAllowedOrigin, visitorOf) {
    const server = createServer({
      port: 0,
      path: '/session',
      allowedOrigins: isAllowedOrigin,
      heartbeat: HEARTBEAT,
      session: { ttlMs: KEEP_MS },
      topics: { maxAgeMs: KEEP_MS },
      limits: {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        maxSessions: MAX_VISITORS * MAX_SESSIONS_PER_VISITOR,
        maxSessionsPerSubject: MAX_SESSIONS_PER_VISITOR,
        maxSubscriptionsPerSession: 3,
      },
      // The name that a page got from us when it came, which no other page knows.
      authenticate: ({ auth, request }) => {
        const visitor = visitorOf(String(Object(auth).visitor))
        visitor?.stage.attach(request.socket)
        return visitor && { subject: visitor.id, visitor }
      },
      authorize: ({ topic }) => [READINGS, ROOM, PEOPLE].includes(topic),
    })
    const room = new Room(server)
    server.on('session', (session) => {
      const { visitor } = session.identity
      // It has left while it was let in.
      if (visitorOf(visitor.id) !== visitor) void session.close()
      session.on('message', async ({ data }) => {
        const { note, say, typing } = parse(String(data))
        if (note) visitor.stage.received('session', note)
        // Its promise is the acknowledgement: whoever says too much waits, and loses nothing.
        if (say) await room.say(visitor, say)
        if (typing) room.typing(visitor, session)
      })
      session.on('disconnected', ({ wasGhost }) => wasGhost && visitor.stage.ghost())
    })
    this.#server = server
    this.#stopListening = readings.onReading((reading) => void server.publish(READINGS, JSON.stringify(reading)))
  }

  /** @returns {Promise<number>} */
  async port() {
    return (await this.#server.listening).port
  }

  /** To the session of one visitor. @param {Visitor} visitor @param {string} message */
  send(visitor, message) {
    for (const session of this.#sessionsOf(visitor)) void session.send(message)
  }

  /** A visitor has left, and its connection is about to end. @param {Visitor} visitor */
  async end(visitor) {
    await Promise.all(
      this.#sessionsOf(visitor).map(async (session) => {
        // As long as there is one, `close()` waits for the client.
        if (session.isConnected) await new Promise((resolve) => session.on('disconnected', resolve))
        await session.close()
      }),
    )
  }

  async stop() {
    this.#stopListening()
    await this.#server.close()
  }

  /** @param {Visitor} visitor */
  #sessionsOf(visitor) {
    return [...this.#server.sessions()].filter(({ subject }) => subject === visitor.id)
  }
}

/** @param {string} message @returns {{ note?: unknown, say?: unknown, typing?: unknown }} */
function parse(message) {
  try {
    return Object(JSON.parse(message))
  } catch {
    return {}
  }
}
