import { expect } from 'vitest'
import { CloseCode } from '../../../src/protocol/close-codes.ts'
import type { TopicOutcome } from './simulation.ts'

const BROKEN = new Set<number>([CloseCode.protocolError, CloseCode.outOfOrder, CloseCode.tooLarge])

/** Why a server may end what a client has asked for. */
type AllowedEnds = ReadonlySet<string>

/** Nobody has broken the protocol: no window was exceeded, nothing came out of order. */
export function checkPeace({ clients, violations }: TopicOutcome): void {
  expect(violations).toEqual([])
  const broken = clients.flatMap(({ process }) => process.endings.filter((code) => BROKEN.has(code)))
  expect(broken, 'connections that a client has ended for what the server did').toEqual([])
}

/** Every subscription that is not over has come to the head of its topic, and both ends agree on which there are. */
export function checkRest(outcome: TopicOutcome, allowedEnds: AllowedEnds): void {
  const { clients, server, wishes, head, schedule } = outcome
  for (const client of clients) {
    const { core, isDead } = client.process
    for (const { ended, core } of client.subscriptions)
      if (ended !== undefined) expect([...allowedEnds], `the end of ${core.topic}`).toContain(ended)
    if (isDead || core.state === 'closed') continue
    expect(client.isOpen, `client ${client.name} is open: ${core.state}`).toBe(true)
    const session = server.process.sessions.get(core.id!)!
    if (!schedule.staysStalled) {
      expect(session.topics?.inFlight ?? 0, `client ${client.name}: nothing is in flight`).toBe(0)
      expect(session.topics?.inFlightBytes ?? 0).toBe(0)
    }
    const names = server.namesOf(client)
    const made = names.filter((name) => wishes.made.get(client.name)?.has(name) || name.startsWith('$'))
    const own = client.live.filter((subscription) => subscription.core.ref).map(({ topic }) => topic)
    expect(new Set(names), `client ${client.name}: what it has subscribed to`).toEqual(new Set([...own, ...made]))
    for (const subscription of server.liveOf(client)) {
      const { topic, cursor, core } = subscription
      const { generation, last } = head(topic)
      const where = `client ${client.name}: ${topic} (${core.ref})`
      expect(core.state, where).toBe('subscribed')
      expect(cursor?.generation, where).toBe(generation)
      expect(subscription.isAt(last), `${where} is at ${cursor?.offset} of ${last}`).toBe(true)
    }
  }
}
