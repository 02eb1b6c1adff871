import { expect } from 'vitest'
import { nameOf, type Outcome } from './simulation.ts'

/**
 * Client → server: what was accepted has been handled, once and in order; what was not is handed back. `[P3]`
 */
export function checkOutgoing({ client, sessions, wasRestarted, schedule }: Outcome): void {
  const handled = sessions.flatMap((session) => session.taken.map(({ data }) => nameOf(data)))
  // Once, and in order.
  expect(new Set(handled).size, 'handled once').toBe(handled.length)
  expect(handled, 'handled in order').toEqual(inOrder(handled))
  const isHandled = new Set(handled)
  const isLost = new Set(client.lost)
  for (const { name, fate, wasSent } of client.sent) {
    // What is acknowledged on receipt dies with its process.
    if (fate === 'accepted') {
      if (wasRestarted && schedule.server.acknowledge === 'received') continue
      expect(isHandled.has(name), `${name} was accepted and is handled`).toBe(true)
    } else if (fate === 'lost') {
      expect(isLost.has(name), `${name} is handed back`).toBe(true)
      if (!wasSent) expect(isHandled.has(name), `${name} was never sent`).toBe(false)
    } else if (!client.isDead) expect.fail(`the fate of ${name} is not known: ${fate}`)
    if (fate !== 'lost') expect(isLost.has(name), `${name} is not handed back`).toBe(false)
  }
}

/**
 * Server → client: of each session's inbox, in order, each message once, or a gap that covers exactly what is missing. `[P3]`
 */
export function checkInbox({ client, server, sessions, wasReplayed }: Outcome): void {
  const ids = [...new Set(client.events.filter(({ kind }) => kind === 'message').map(({ session }) => session))]
  const order = ids.map((id) => sessions.findIndex((session) => session.id === id))
  expect(order, 'sessions in their order').toEqual([...order].sort((a, b) => a - b))
  for (const session of sessions) {
    let next = 1
    let isOver = false
    for (const event of client.events) {
      if (event.kind === 'message') {
        if (event.session !== session.id) continue
        expect(event.number, `${session.id}: the next message`).toBe(next)
        expect(nameOf(event.data), `${session.id}: what was sent at ${next}`).toBe(nameOf(session.inbox[next]!))
        expect(isOver, `${session.id}: nothing after its end`).toBe(false)
        next++
      } else if (event.session === session.id) {
        expect(event.gap.generation).toBe(session.generation)
        expect(event.gap.from, `${session.id}: the gap begins where it must`).toBe(next)
        if (event.gap.to === undefined) isOver = true
        else next = event.gap.to + 1
      }
    }
    const isLive = server.sessions.get(session.id) === session && client.core.id === session.id
    const isOpen = client.core.state === 'open' && !client.isDead
    if (isLive && isOpen && !wasReplayed) {
      expect(next - 1, `${session.id}: everything is there`).toBe(session.last)
      expect(isOver).toBe(false)
    }
    expect(next - 1, `${session.id}: nothing that was not sent`).toBeLessThanOrEqual(session.inbox.length)
  }
}

const inOrder = (names: readonly string[]): string[] =>
  [...names].sort((one, other) => Number(one.split(' ')[1]) - Number(other.split(' ')[1]))
