import { connect } from '../../src/client/node.ts'
import type { ClientSubject } from '../../src/testing/index.ts'

const MAX_DELAY_MS = 100
const CONNECT_TIMEOUT_MS = 600

/** Our client, with the application that the cases ask for. */
export const clientUnderTest: ClientSubject = {
  heartbeat: { intervalMs: 200, timeoutMs: 200 },
  maxDelayMs: MAX_DELAY_MS,
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  topics: true,
  start(url, events) {
    const session = connect(url, {
      heartbeat: { intervalMs: 200, timeoutMs: 200 },
      reconnect: { minDelayMs: 20, maxDelayMs: MAX_DELAY_MS },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      closeTimeoutMs: 300,
    })
    session.on('error', () => {})
    session.on('message', ({ data, topic }) => events.message(data, topic))
    session.on('gap', ({ from, to, reason }) => events.gap({ from, to, reason }))
    session.on('lost', ({ messages }) => {
      for (const { data } of messages) events.lost(data)
    })
    return {
      send: (data) => session.send(data),
      subscribe: (topic, from, events) => {
        const subscription = session.subscribe(topic, { from })
        subscription.on('message', ({ data }) => events.message(data))
        subscription.on('gap', ({ from, to, reason }) => events.gap({ from, to, reason }))
        subscription.on('ended', ({ reason }) => events.ended(reason))
        subscription.on('error', () => {})
        return () => subscription.unsubscribe()
      },
      close: () => session.close(),
    }
  },
}
