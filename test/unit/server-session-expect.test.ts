import { expect, test } from 'vitest'
import { ServerSession, type ServerEffects } from '../../src/core/server-session.ts'
import { MessageLog } from '../../src/core/message-log.ts'
import type { Payload } from '../../src/protocol/frame.ts'

test.each([
  ['at the end of the turn', 'x'],
  ['at once, since it is large', 'x'.repeat(10_000)],
])('an answer is expected to a message that goes out %s', (_when, message) => {
  const inbox = new MessageLog<Payload>(({ length }) => length)
  const done: string[] = []
  const effects: ServerEffects<string> = {
    transmit: (_transport, text) => void done.push(String(text)[0]!),
    expect: (transport) => void done.push(`expect ${transport}`),
    isWritable: () => true,
    closeTransport: () => {},
    schedule: () => {},
    deliver: () => true,
    retryAt: () => {},
    commit: () => true,
    read: () => inbox,
    topicFrame: () => {},
    ended: () => {},
    fenced: () => {},
  }
  const window = { messages: 10, bytes: 100_000 }
  const options = { window, maxMessageBytes: 100_000, acknowledge: 'handled', ttlMs: 1_000 } as const
  const attachment = { attach: 1, generation: 'g', accepted: 0, last: 0 }
  const session = new ServerSession(effects, options, 'session', attachment)
  session.attached('wire', { window }, attachment, 'token')
  expect(done).toEqual(['W'])
  session.appended(inbox.append(message), message.length)
  session.flush()
  expect(done).toEqual(['W', 'D', 'expect wire'])
})
