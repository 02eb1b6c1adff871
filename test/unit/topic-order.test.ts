import { expect, test } from 'vitest'
import { MessageLog } from '../../src/core/message-log.ts'
import { Subscriber, type TopicEntry } from '../../src/core/subscriber.ts'
import { Topic, type TopicEffects } from '../../src/core/topic.ts'
import type { Payload } from '../../src/protocol/frame.ts'

/** A topic with one subscriber, and what that is sent. */
function scene() {
  const sent: string[] = []
  const log = new MessageLog<TopicEntry>(({ data }) => data.length)
  const effects: TopicEffects<string, Payload> = {
    transmit: (_transport, message) => void sent.push(String(message)),
    share: (_transport, frame) => void sent.push(String(frame)),
    frame: (message) => message,
    expect: () => {},
    isWritable: () => true,
    schedule: () => {},
    read: () => log,
  }
  const topic = new Topic<string, Payload>(effects, 7, 'topic', { generation: 'x', first: 1, last: 0 })
  const subscriber = new Subscriber<string, Payload>(effects, 'session')
  subscriber.begin('wire', { messages: 100, bytes: 10_000 })
  topic.enter(topic.add(subscriber, 1, 0), 0)
  sent.length = 0
  const store = (data: string): void => {
    const entry = { data, except: undefined }
    topic.appended(log.append(entry), entry)
  }
  return { topic, sent, store }
}

test('volatile and stored messages of one turn go out in the order in which they were published', () => {
  const { topic, sent, store } = scene()
  topic.publishVolatile('a', undefined)
  store('b')
  store('c')
  topic.publishVolatile('d', undefined)
  topic.publishVolatile('e', undefined)
  store('f')
  topic.flush()
  expect(sent).toEqual(['V7 a', 'T7,1,1,1 bc', 'V7,1,1 de', 'T7,3 f'])
})

test('nothing volatile waits for a message that is gone with its history', () => {
  const { topic, sent, store } = scene()
  store('a')
  topic.publishVolatile('b', undefined)
  topic.restarted({ generation: 'y', first: 1, last: 0 })
  topic.flush()
  expect(sent.filter((frame) => frame[0] === 'V')).toEqual(['V7 b'])
})
