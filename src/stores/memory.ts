import { Buffer } from 'node:buffer'
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { MessageLog } from '../core/message-log.ts'
import type { Slice } from '../core/outflow.ts'
import { numberOptions } from '../core/option.ts'
import type { Attachment, Commit } from '../core/server-session.ts'
import type { TopicEntry, TopicSlice } from '../core/subscriber.ts'
import type { Payload, Position } from '../protocol/frame.ts'
import { MemoryTopics } from './memory-topics.ts'
import type {
  Appended,
  AttachRequest,
  NewSession,
  Refusal,
  Retention,
  Store,
  TopicInfo,
  TopicListener,
} from './store.ts'

export interface MemoryStoreOptions {
  /** Most unacknowledged messages in a session's inbox, 1 to Infinity. The oldest are let go, with a gap. @default 10000 */
  maxMessages?: number
  /** Most bytes of them, 1 to Infinity; a text counts its length. @default 8388608 */
  maxBytes?: number
}

/** Default and range of each option. */
export const memoryStoreRules = {
  maxMessages: [10_000, 1, Infinity],
  maxBytes: [8_388_608, 1, Infinity],
} as const

interface Row {
  readonly subject: string
  tokenHash: string
  /** Still valid, until the client is known to have the current one. */
  formerHash: string | undefined
  attach: number
  /** Of the last attach. */
  attempt: number
  accepted: number
  /** Made by the first message: most sessions are idle. */
  inbox: MessageLog<Payload> | undefined
}

/** Keeps sessions and topics in this process: they survive their connections, not a restart. Answers at once. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(numberOptions('', options, memoryStoreRules))
}

class MemoryStore implements Store {
  readonly #limits: { readonly maxMessages: number; readonly maxBytes: number }
  /** Another one after each restart: then nothing of the history before is known. */
  readonly #generation = randomBytes(6).toString('base64url')
  readonly #topics = new MemoryTopics(this.#generation)
  readonly #rows = new Map<string, Row>()
  readonly #perSubject = new Map<string, number>()

  constructor(limits: { readonly maxMessages: number; readonly maxBytes: number }) {
    this.#limits = limits
  }

  create({ session, subject, tokenHash, maxPerSubject }: NewSession): Attachment | undefined {
    const count = this.#perSubject.get(subject) ?? 0
    if (count >= maxPerSubject) return
    this.#perSubject.set(subject, count + 1)
    const row: Row = { subject, tokenHash, formerHash: undefined, attach: 1, attempt: 0, accepted: 0, inbox: undefined }
    this.#rows.set(session, row)
    return this.#attachment(row)
  }

  attach({ session, subject, tokenHash, nextTokenHash, sent, attempt }: AttachRequest): Attachment | Refusal {
    const row = this.#rows.get(session)
    if (!row) return 'unknown'
    const isCurrent = isEqual(row.tokenHash, tokenHash)
    const isFormer = isEqual(row.formerHash ?? row.tokenHash, tokenHash)
    if (!isCurrent && !isFormer) return 'unknown'
    if (row.subject !== subject) return 'subject'
    if (sent < row.accepted) return 'forked'

    if (!isCurrent && attempt && attempt <= row.attempt) return 'late'
    row.attempt = attempt
    row.attach++
    row.formerHash = tokenHash
    row.tokenHash = nextTokenHash
    return this.#attachment(row)
  }

  commit(session: string, { attach, accepted, acked, isConfirmed }: Commit): boolean {
    const row = this.#rows.get(session)
    if (row?.attach !== attach) return false
    row.accepted = Math.max(row.accepted, accepted)
    row.inbox?.trimTo(acked)
    if (isConfirmed) row.formerHash = undefined
    return true
  }

  append(session: string, payload: Payload): Appended | undefined {
    const row = this.#rows.get(session)
    if (!row) return
    const inbox = (row.inbox ??= new MessageLog<Payload>(lengthOf))
    const { maxMessages, maxBytes } = this.#limits
    const offset = inbox.append(payload)
    while (inbox.size > maxMessages || (inbox.bytes > maxBytes && inbox.size > 1)) inbox.trimTo(inbox.first)
    return { offset, isFull: inbox.size > maxMessages / 2 || inbox.bytes > maxBytes / 2 }
  }

  read(session: string): Slice | undefined {
    return this.#rows.get(session)?.inbox
  }

  end(session: string, attach?: number): boolean {
    const row = this.#rows.get(session)
    if (!row || (attach !== undefined && attach !== row.attach)) return false
    this.#rows.delete(session)
    const count = this.#perSubject.get(row.subject)! - 1
    if (count) this.#perSubject.set(row.subject, count)
    else this.#perSubject.delete(row.subject)
    return true
  }

  publish(topic: string, entry: TopicEntry, retention: Retention): Position {
    return this.#topics.publish(topic, entry, retention)
  }

  topic(topic: string): TopicInfo {
    return this.#topics.info(topic)
  }

  readTopic(topic: string): TopicSlice {
    return this.#topics.read(topic)
  }

  watch(topic: string, listener: TopicListener): { readonly info: TopicInfo; readonly unwatch: () => void } {
    return this.#topics.watch(topic, listener)
  }

  #attachment({ attach, accepted, inbox }: Row): Attachment {
    return { attach, accepted, generation: this.#generation, last: inbox?.last ?? 0 }
  }
}

const lengthOf = ({ length }: Payload): number => length
/** In a time that does not depend on what is equal. */
const isEqual = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
