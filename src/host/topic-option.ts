import { optionError } from '../core/option.ts'
import { isFrom, isTopicName } from '../protocol/decode.ts'
import type { From } from '../protocol/frame.ts'

/** @throws HeartlineError `ERR_OPTION` */
export function checkTopicName(topic: unknown): asserts topic is string {
  if (!isTopicName(topic) || topic.startsWith('$'))
    throw optionError('Expected `topic` to be text of 1 to 256 characters that does not begin with $.')
}

/** Whom a message is for: who has subscribed to a topic, all sessions of a subject, or some sessions. */
export type Target<S> = string | { readonly subject: string } | readonly S[]

/** @throws HeartlineError `ERR_OPTION` */
export function checkTarget(target: unknown): asserts target is Target<never> {
  if (typeof target === 'string') return checkTopicName(target)
  const { subject, length } = Object(target) as { readonly subject?: unknown; readonly length?: unknown }
  if (!(typeof subject === 'string' && subject) && !(Array.isArray(target) && length))
    throw optionError(
      'Expected to publish to a topic, to an object with a `subject` that is not empty, or to a list of sessions.',
    )
}

/** @throws HeartlineError `ERR_OPTION` */
export function checkFrom(from: unknown): asserts from is From {
  if (!isFrom(from))
    throw optionError('Expected `from` to be now, first, an object with the number `last`, or a position.')
}
