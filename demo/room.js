// @ts-check
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_TEXT_LENGTH } from './limits.js'

/** @import { Session, SessionServer } from 'heartline/server' */
/** @import { Visitor } from './visitors.js' */

/** The topic of what is said. */
export const ROOM = 'room'
/** The topic of who is there. Only its newest message counts, so it keeps no other. */
export const PEOPLE = 'people'

/** What is kept for those who come late, or come back. */
const RETAIN = { maxMessages: 200, maxBytes: 200_000, maxAgeMs: 3_600_000 }
/** A visitor may say so much at once, */
const BURST = 10
/** and then one message in this time. */
const EVERY_MS = 500
/** Whoever types is told of at most so often. */
const TYPING_EVERY_MS = 1_000

/** Where all pages write and read: what is said is a topic, and so is who is there. */
export class Room {
  #topic
  #people
  /** When a visitor may say the next thing, and when it may be told of next that he or she types. */
  #nextSayAt = /** @type {WeakMap<Visitor, number>} */ (new WeakMap())
  #nextTypingAt = /** @type {WeakMap<Visitor, number>} */ (new WeakMap())

  /** @param {SessionServer<{ subject: string, visitor: Visitor }>} server */
  constructor(server) {
    this.#topic = server.topic(ROOM, { retain: RETAIN })
    this.#people = server.topic(PEOPLE, { retain: { maxMessages: 1, maxAgeMs: Infinity } })
    for (const change of /** @type {const} */ (['join', 'leave', 'away', 'back']))
      this.#topic.on(change, () => this.#tellPeople())
  }

  /**
   * The name is the one that we gave; the text is shown as text. Resolves when it is published, which may take its time: what
   * was typed while the cable was out comes all at once.
   *
   * @param {Visitor} visitor @param {unknown} text
   */
  async say(visitor, text) {
    if (typeof text !== 'string' || !text.trim() || text.length > MAX_TEXT_LENGTH) return
    const now = performance.now()
    const at = Math.max(this.#nextSayAt.get(visitor) ?? 0, now - BURST * EVERY_MS)
    this.#nextSayAt.set(visitor, at + EVERY_MS)
    if (at > now) await sleep(at - now, undefined, { ref: false })
    await this.#topic.publish(JSON.stringify({ name: visitor.name, text, at: Date.now() }))
  }

  /** For those who look at it now: nobody needs it later. @param {Visitor} visitor @param {Session<any>} session */
  typing(visitor, session) {
    const now = performance.now()
    if (now < (this.#nextTypingAt.get(visitor) ?? 0)) return
    this.#nextTypingAt.set(visitor, now + TYPING_EVERY_MS)
    void this.#topic.publish(JSON.stringify({ name: visitor.name, at: Date.now() }), {
      volatile: true,
      except: session,
    })
  }

  #tellPeople() {
    /** A page that has got a new session may have two for a while. @type {Map<string, boolean>} */
    const people = new Map()
    for (const { session, isAway } of this.#topic.members()) {
      const { name } = session.identity.visitor
      people.set(name, isAway && people.get(name) !== false)
    }
    void this.#people.publish(JSON.stringify([...people].map(([name, isAway]) => ({ name, isAway }))))
  }
}
