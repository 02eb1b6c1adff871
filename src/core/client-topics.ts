import { CloseCode } from '../protocol/close-codes.ts'
import { encodeSub, encodeToken, encodeUnsub } from '../protocol/encode.ts'
import type { Frame, From, Gap, GapReason, Payload, Position, Sub, Subbed, Unsub, Window } from '../protocol/frame.ts'
import { MAX_HELLO_ENTRY } from '../protocol/limits.ts'
import { Violation } from '../protocol/violation.ts'
import { ClientSubscription, type ClientTopicEffects, type SubscriptionOwner } from './client-subscription.ts'
import { TopicIncoming } from './topic-incoming.ts'
import { TopicNames } from './topic-names.ts'

/** SKIP, and GAP of a topic, count as this. */
const ONE_EMPTY = ['']
/** So much may a server say of a few topics that it has made itself, and ended, while the application is busy. */
const SPARE_MARKS = 64
/** Most subscriptions whose end is told once more on the next connection. */
const MAX_ENDED = 1_024
/** Longest time that the acknowledgement of topics waits for company: less than the server waits before it asks for life. */
const ACK_DELAY_MS = 900

/**
 * The client's subscriptions. All of them share one window: what the application has not handled counts in it. A subscription
 * whose messages wait for too long gives its part of the window back, and takes those messages from the log again when its turn
 * comes; so none holds up the others.
 */
export class ClientTopics<S> implements SubscriptionOwner<S> {
  readonly effects: ClientTopicEffects<S>
  /** When an acknowledgement is due. */
  ackAt: number = Infinity
  /** When something is to be handed over once more. */
  retryAt: number = Infinity
  /** What this connection has brought, and nobody needs any more. */
  messages = 0
  bytes = 0
  readonly #window: Window
  readonly #maxMessageBytes: number
  #nextRef = 1
  readonly #all = new Map<number | string, ClientSubscription<S>>()
  /** Ended by the server, with messages that are still to be handed over. */
  readonly #ending = new Set<ClientSubscription<S>>()
  /** By the server's names on this connection. */
  readonly #names = new TopicNames<ClientSubscription<S>>()
  /** Refs of which the server may not know that they have ended, for want of a connection, or lost with one. */
  #ended: number[] = []
  /** Refs that HELLO has told. */
  #told = new Set<number>()
  #isOpen = false
  /** Counts the connections. */
  #connection = 0
  /** What waits in all subscriptions. */
  #heldMessages = 0
  #heldBytes = 0
  /** What waits and counts in no window. */
  #marks = 0
  /** What this connection has brought. */
  #arrivedMessages = 0
  #arrivedBytes = 0
  #ackedMessages = 0
  #ackedBytes = 0

  constructor(effects: ClientTopicEffects<S>, window: Window, maxMessageBytes: number) {
    this.effects = effects
    this.#window = window
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Whether there is a subscription that the application has made. */
  has(topic: string): boolean {
    for (const subscription of this.#all.values()) if (subscription.ref && subscription.topic === topic) return true
    return false
  }

  subscribe(topic: string, from: From, hasSnapshot: boolean): ClientSubscription<S> {
    const subscription = new ClientSubscription<S>(this, this.#nextRef++, topic, from)
    subscription.hasSnapshot = hasSnapshot
    this.#all.set(subscription.ref, subscription)
    if (this.#isOpen) this.#sub(subscription)
    return subscription
  }

  /** @param isWaiting what it was handed last waits for a listener */
  unsubscribe(subscription: ClientSubscription<S>, isWaiting = false): void {
    subscription.isDropped = true
    if (isWaiting) subscription.takeBack()
    subscription.truncate(0, 0)
    // There is room now, maybe for others.
    if (this.#isOpen && this.owes) this.ackAt = 0
    this.#ending.delete(subscription)
    if (subscription.state === 'ended') return
    this.#end(subscription)
    const { ref } = subscription
    // It may be lost with the connection: then the session would be a member for ever.
    this.#ended.push(ref)
    if (this.#isOpen) this.#tellEnded([ref])
  }

  /** What HELLO says of them: as many as there is room for behind an entry of this length. */
  hello(entryLength: number): Sub[] {
    const subs: Sub[] = []
    this.#told = new Set()
    // What waits does not count in the window of another connection: there must not be more of it with each.
    if (this.#isCrowded)
      for (const subscription of this.#all.values())
        subscription.truncate(this.#shareOf('messages'), this.#shareOf('bytes'))
    let length = entryLength + encodeToken(',"topics":[]').length
    for (const { ref, topic, from, received } of this.#all.values()) {
      // Where the client is in what the server has made; nothing to say before it has begun.
      if (!ref && !received) continue
      const sub = { ref, topic, from }
      length += encodeToken(JSON.stringify(sub) + ',').length
      if (length > MAX_HELLO_ENTRY) break
      subs.push(sub)
      this.#told.add(ref)
    }
    return subs
  }

  /** There is a connection. @param isResumed the session is the one before */
  opened(isResumed: boolean): void {
    this.#isOpen = true
    // Of those, another session knows what HELLO has told it.
    if (!isResumed) this.#ended = this.#ended.filter((ref) => this.#told.has(ref))
    // First: until the server hears of it they count in its limit.
    this.#tellEnded(this.#ended)
    for (const subscription of this.#all.values()) {
      subscription.isPaused = false
      if (subscription.ref && !this.#told.has(subscription.ref)) this.#sub(subscription)
    }
  }

  /** The connection is gone. */
  closed(): void {
    this.#isOpen = false
    this.ackAt = Infinity
    this.#connection++
    this.messages = this.bytes = this.#ackedMessages = this.#ackedBytes = 0
    this.#arrivedMessages = this.#arrivedBytes = 0
    this.#names.clear()
    for (const subscription of this.#all.values()) {
      subscription.isFlowing = false
      if (subscription.ref) subscription.state = 'waiting'
    }
  }

  /** The session is over. */
  over(): void {
    for (const subscription of this.#all.values()) {
      subscription.state = 'ended'
      subscription.isDropped = true
      this.effects.over(subscription)
    }
    for (const subscription of this.#ending) this.effects.over(subscription)
    this.#all.clear()
    this.#ending.clear()
    this.retryAt = Infinity
  }

  /** So much of what the server has ended is still to be handed over that another connection has to wait. */
  get isOverfull(): boolean {
    const { messages, bytes } = this.#window
    return this.#ending.size > 0 && (this.#heldMessages > 4 * messages || this.#heldBytes > 4 * bytes)
  }

  /** Whether the server has not been told of all that was taken. */
  get owes(): boolean {
    return this.messages > this.#ackedMessages
  }

  /** So much is owed that the server may come to the end of the window. */
  get owesMuch(): boolean {
    return (
      this.messages - this.#ackedMessages >= this.#window.messages / 4 ||
      this.bytes - this.#ackedBytes >= this.#window.bytes / 4
    )
  }

  /** The server has been told. */
  acknowledged(): void {
    this.ackAt = Infinity
    this.#ackedMessages = this.messages
    this.#ackedBytes = this.bytes
  }

  /** @throws Violation */
  frame(now: number, frame: Frame & { readonly type: 'subbed' | 'unsub' | 'tdata' | 'volatile' | 'skip' }): void {
    switch (frame.type) {
      case 'subbed':
        this.#subbed(now, frame.body)
        break
      case 'unsub':
        this.#unsubbed(now, frame.body)
        break
      case 'tdata':
        this.#data(now, frame.topic, frame.first, frame.payloads)
        break
      case 'volatile':
        this.#volatile(now, frame.topic, frame.payloads)
        break
      default:
        this.#skip(now, frame.topic, { from: frame.first, to: frame.last }, undefined)
    }
    this.#oweLater(now)
  }

  gap(now: number, topic: number, gap: Gap): void {
    this.#skip(now, topic, gap, gap.reason)
    this.#oweLater(now)
  }

  tick(now: number): void {
    if (now < this.retryAt) return
    this.retryAt = Infinity
    for (const subscription of [...this.#all.values(), ...this.#ending]) this.deliver(now, subscription)
  }

  /** Hands over what can be handed over. */
  deliver(now: number, subscription: ClientSubscription<S>): void {
    if (!subscription.isDropped) {
      subscription.deliver(now)
      this.retryAt = Math.min(this.retryAt, subscription.retryAt)
    }
    this.#oweLater(now)
  }

  handled(now: number, subscription: ClientSubscription<S>): void {
    subscription.handled()
    this.deliver(now, subscription)
  }

  failed(now: number, subscription: ClientSubscription<S>): void {
    // Nobody wants it once more.
    if (subscription.isDropped) subscription.handled()
    else subscription.failed(now)
    this.deliver(now, subscription)
  }

  /** For {@link ClientSubscription}: so much more, or less, waits. */
  held(messages: number, bytes: number): void {
    this.#heldMessages += messages
    this.#heldBytes += bytes
  }

  /** For {@link ClientSubscription}: so many more, or fewer, marks wait. */
  marked(marks: number): void {
    this.#marks += marks
  }

  /** For {@link ClientSubscription}: nobody needs them any more. What an earlier connection has brought is not this one's. */
  taken(messages: number, bytes: number, connection = this.#connection): void {
    if (connection !== this.#connection) return
    this.messages += messages
    this.bytes += bytes
  }

  /** For {@link ClientSubscription}: something has left its queue. */
  moved(subscription: ClientSubscription<S>): void {
    if (!subscription.isPaused || !this.#isOpen || subscription.state === 'ended') return
    if (
      subscription.heldMessages > this.#shareOf('messages') / 2 ||
      subscription.heldBytes > this.#shareOf('bytes') / 2
    )
      return
    subscription.isPaused = false
    this.#sub(subscription)
  }

  /** For {@link ClientSubscription}: all that came before the server has ended it is handed over. */
  finished(subscription: ClientSubscription<S>, reason: string): void {
    this.#ending.delete(subscription)
    this.effects.unsubscribed(subscription, reason)
  }

  #sub({ ref, topic, from }: ClientSubscription<S>): void {
    this.effects.transmit(encodeSub({ ref, topic, from }))
  }

  #tellEnded(refs: readonly number[]): void {
    for (const ref of refs) this.effects.transmit(encodeUnsub({ ref }))
    // Only the last ones can be on their way when a connection ends that is watched.
    this.#ended.splice(0, this.#ended.length - MAX_ENDED)
  }

  #subbed(now: number, { ref, topic, id, generation, offset, last }: Subbed): void {
    if (offset > last) throw impossible()
    // What it says waits in no window: this bounds it. What the application has asked for counts until it knows of the end.
    let count = this.#all.size
    for (const { ref } of this.#ending) if (ref) count++
    if (this.#marks > this.#window.messages + SPARE_MARKS + 4 * count) throw exceeded()
    let subscription = this.#all.get(ref || topic)
    if (!subscription && !ref) {
      subscription = new ClientSubscription<S>(this, 0, topic, 'now')
      subscription.owner = this.effects.adopt(subscription)
      this.#all.set(topic, subscription)
    }
    if (ref) this.#names.answered(ref)
    if (!subscription) {
      // The server has ended it, and then taken a SUB that was on its way for a new one.
      if (!this.#ended.includes(ref)) this.effects.transmit(encodeUnsub({ ref }))
      return this.#names.unuse(id, this.#nextRef)
    }
    this.#names.set(id, subscription)
    const reset = { generation, offset }
    const isFirst = !subscription.received
    // Another session may have been somewhere before.
    const received = (subscription.received = subscription.behind ?? reset)
    subscription.position ??= received
    if (received.generation !== generation) {
      this.#missed(subscription, received.offset + 1, undefined, 'generation', reset)
    } else if (last < received.offset) throw impossible()
    else if (offset > received.offset) this.#missed(subscription, received.offset + 1, offset, 'skipped', reset)
    else if (isFirst && subscription.hasSnapshot)
      subscription.push({ snapshot: 'initial', position: reset, failures: 0 })
    subscription.state = 'subscribed'
    subscription.isFlowing = true
    this.effects.subscribed(subscription)
    this.#delivered(now, subscription)
  }

  #unsubbed(now: number, { ref, topic = '', reason = '' }: Unsub): void {
    const subscription = this.#all.get(ref || topic)
    if (!subscription) return
    // Nothing of it follows: the server has said so itself. There may be many that only it makes and ends.
    if (!ref) this.#names.drop(subscription)
    this.#end(subscription)
    // What waits of it holds up nobody else.
    subscription.credit()
    this.#ending.add(subscription)
    if (ref) this.#names.answered(ref)
    subscription.push({ ended: reason, position: undefined, failures: 0 })
    this.deliver(now, subscription)
  }

  #data(now: number, id: number, first: number, payloads: readonly Payload[]): void {
    this.#arrived(payloads)
    const subscription = this.#names.get(id)
    if (!subscription) return this.#ignore(payloads)
    const { generation, offset } = subscription.received!
    if (!first || first > offset + 1) throw outOfOrder()
    for (let index = 0; index < payloads.length; index++) {
      const data = payloads[index]!
      if (first + index <= offset) this.taken(1, data.length)
      else {
        const position = { generation, offset: first + index }
        subscription.received = position
        subscription.push(new TopicIncoming(data, subscription.topic, position, this.#connection))
      }
    }
    this.#delivered(now, subscription)
  }

  #volatile(now: number, id: number, payloads: readonly Payload[]): void {
    this.#arrived(payloads)
    const subscription = this.#names.get(id)
    if (!subscription) return this.#ignore(payloads)
    for (const data of payloads)
      subscription.push(new TopicIncoming(data, subscription.topic, undefined, this.#connection))
    this.#delivered(now, subscription)
  }

  /** @param reason why they are missing; without one they are not meant for this session */
  #skip(now: number, id: number, { from, to }: { from: number; to: number }, reason: GapReason | undefined): void {
    this.#arrived(ONE_EMPTY)
    const subscription = this.#names.get(id)
    if (!subscription) return this.taken(1, 0)
    const { generation, offset } = subscription.received!
    if (from > offset + 1 || to < from || !from) throw outOfOrder()
    if (to <= offset) return this.taken(1, 0)
    const position = { generation, offset: to }
    const connection = this.#connection
    if (reason) this.#missed(subscription, offset + 1, to, reason, position, connection)
    else subscription.push({ position, connection, failures: 0 })
    subscription.received = position
    this.#delivered(now, subscription)
  }

  #missed(
    subscription: ClientSubscription<S>,
    from: number,
    to: number | undefined,
    reason: GapReason,
    position: Position,
    connection?: number,
  ): void {
    const { generation } = subscription.received!
    subscription.forgetSnapshot()
    subscription.push({ gap: { generation, from, to, reason }, position, connection, failures: 0 })
    if (subscription.hasSnapshot) subscription.push({ snapshot: reason, position, failures: 0 })
    subscription.received = position
  }

  /** Something has come for it: hands it over, and sees to it that none holds up the others. */
  #delivered(now: number, subscription: ClientSubscription<S>): void {
    this.deliver(now, subscription)
    if (this.#all.size < 2 || !this.#isCrowded) return
    const messages = this.#shareOf('messages')
    const bytes = this.#shareOf('bytes')
    // All of them: one that came when there was more for each gets nothing now, and would keep what it has.
    for (const one of this.#all.values())
      if (one.isFlowing && (one.heldMessages > messages || one.heldBytes > bytes)) this.#pause(one, messages, bytes)
  }

  /** What is let go of here comes once more. */
  #pause(subscription: ClientSubscription<S>, messages: number, bytes: number): void {
    subscription.truncate(messages, bytes)
    subscription.isPaused = true
    const { ref, topic } = subscription
    this.effects.transmit(encodeUnsub({ ref, ...(!ref && { topic }), pause: true }))
    this.#forgetIds(subscription)
  }

  get #isCrowded(): boolean {
    return this.#heldMessages > this.#window.messages / 2 || this.#heldBytes > this.#window.bytes / 2
  }

  /** What one subscription may hold when the window is crowded: all together leave half of it. */
  #shareOf(what: keyof Window): number {
    return Math.max(1, Math.floor(this.#window[what] / (2 * this.#all.size)))
  }

  #end(subscription: ClientSubscription<S>): void {
    subscription.state = 'ended'
    this.#all.delete(subscription.ref || subscription.topic)
    this.#forgetIds(subscription)
  }

  /** What still comes for it is not wanted. */
  #forgetIds(subscription: ClientSubscription<S>): void {
    subscription.isFlowing = false
    this.#names.forget(subscription, this.#nextRef)
  }

  /** @throws Violation `tooLarge` if it is more than the window takes */
  #arrived(payloads: readonly Payload[]): void {
    for (const { length } of payloads) {
      if (length > this.#maxMessageBytes) throw new Violation(CloseCode.tooLarge, 'message too large')
      this.#arrivedBytes += length
    }
    this.#arrivedMessages += payloads.length
    const { messages, bytes } = this.#window
    // One that is larger than the window may come alone.
    if (
      this.#arrivedMessages - this.#ackedMessages > messages ||
      this.#arrivedBytes - this.#ackedBytes > Math.max(bytes, payloads.length < 2 ? bytes / 4 + payloads[0]!.length : 0)
    )
      throw exceeded()
  }

  #ignore(payloads: readonly Payload[]): void {
    for (const { length } of payloads) this.taken(1, length)
  }

  #oweLater(now: number): void {
    if (this.#isOpen && this.owes) this.ackAt = Math.min(this.ackAt, this.owesMuch ? now : now + ACK_DELAY_MS)
  }
}

const exceeded = (): Violation => new Violation(CloseCode.tooLarge, 'window exceeded')
const impossible = (): Violation => new Violation(CloseCode.protocolError, 'impossible position')
const outOfOrder = (): Violation => new Violation(CloseCode.outOfOrder, 'topic out of order')
