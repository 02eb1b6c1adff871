import type { GapReason, Payload, Position } from '../protocol/frame.ts'

/** A message of a topic on its way to the application. */
export class TopicIncoming {
  readonly data: Payload
  readonly topic: string
  /** Where it is in the topic; `undefined` if it is volatile. */
  readonly position: Position | undefined
  /** Which of the client's connections has brought it. */
  readonly connection: number
  failures = 0

  constructor(data: Payload, topic: string, position: Position | undefined, connection: number) {
    this.data = data
    this.topic = topic
    this.position = position
    this.connection = connection
  }

  /** The same for each delivery of this message, and for no other message; empty if it is volatile. */
  get id(): string {
    return this.position ? `${this.topic}:${this.position.generation}:${this.position.offset}` : ''
  }
}

/** A hole in a topic. `to` is missing where nobody knows how much was lost. */
export interface TopicGap {
  readonly generation: string
  readonly from: number
  readonly to: number | undefined
  readonly reason: GapReason
}
