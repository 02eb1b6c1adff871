import { describe, expect } from 'vitest'
import type { Hello, Resume, Welcome } from '../../src/protocol/frame.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { numbered, test, type ObservedSession, type SessionScene } from './session-scene.ts'

const ACCEPTED = 3
const RECEIVED = 2

/** What a copy of the client, made now, would come back with: a duplicated tab, or somebody who has read its memory. */
function copyOf({ transport, messages }: ObservedSession, sent: number): Resume {
  const { body } = transport.frames.find(({ frame }) => frame.type === 'welcome')!.frame as { body: Welcome }
  const { session, token, generation } = body
  return { session, token, position: { generation, offset: messages.length }, sent }
}

/** A client that has sent three messages and got two. */
async function established(scene: SessionScene) {
  const { server, client, served } = await scene.pair(({ url }) => url)
  for (const text of numbered('s', RECEIVED)) void served.session.send(text)
  await scene.journal.until('the messages', () => client.messages.length === RECEIVED)
  // These acknowledge the others.
  for (const text of numbered('c', ACCEPTED)) await client.session.send(text)
  const attach = (resume: Resume, more: Partial<Hello> = {}) => {
    const raw = RawClient.entering(server.url, { ...hello, resume, ...more })
    scene.atEnd(() => raw.socket.terminate())
    return raw
  }
  return { server, client, served, attach }
}

describe('another client with the credentials of a session', () => {
  test('takes it over at once; the first one is told, and does not come back', async ({ scene }) => {
    const { server, client, served, attach } = await established(scene)
    const raw = attach(copyOf(client, ACCEPTED))
    const welcome = await raw.welcome()
    expect(welcome).toMatchObject({ session: client.session.id, resumed: true, received: ACCEPTED, accepted: ACCEPTED })
    await scene.journal.until('the first one to know', () => client.session.state === 'closed')
    expect(client.superseded).toBe(1)
    expect(client.states.at(-1)!.ending).toMatchObject({ code: 4902, cause: 'closed' })
    await expect(client.session.send('too late')).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' })
    await scene.othersRetry()
    expect(client.transports).toHaveLength(1)
    expect([client.gaps, client.losses]).toEqual([[], []])
    // For the server it is one session that goes on: never disconnected, never ended.
    expect(served.resumes).toEqual([{ sent: 0, received: 0 }])
    expect([served.disconnects, served.ended, served.session.isConnected]).toEqual([[], undefined, true])
    expect(server.sessions).toHaveLength(1)
    raw.send('D4,2 c 4')
    await scene.journal.until('a message of the second one', () => served.messages.length === ACCEPTED + 1)
    expect(served.texts).toEqual(numbered('c', ACCEPTED + 1))
  })

  test('gets what was on its way to the first one, which hands back what it had not got rid of', async ({ scene }) => {
    const { server, client, served } = await established(scene)
    // The first one's path is dead, in both directions, when the second one comes.
    const proxy = await scene.proxy(server)
    const other = scene.connect(proxy.url).listen(scene)
    await scene.isOpen(other)
    const otherServed = server.sessions[1]!
    proxy.stall()
    const pending = other.session.send('in doubt')
    void otherServed.session.send('missed')
    const raw = RawClient.entering(server.url, { ...hello, resume: copyOf(other, 0) })
    scene.atEnd(() => raw.socket.terminate())
    expect(await raw.welcome()).toMatchObject({ resumed: true, received: 0, last: 1 })
    expect(await raw.answered('D1,')).toBe('D1,0 missed')
    proxy.heal()
    await expect(pending).rejects.toMatchObject({ code: 'ERR_SESSION_LOST' })
    expect(other.lost).toEqual([{ data: 'in doubt', wasSent: true }])
    // What the displaced connection brought in the end is for nobody.
    await scene.othersRetry()
    expect(otherServed.texts).toEqual([])
    expect(client.session.state).toBe('open')
    expect(served.session.isConnected).toBe(true)
  })

  test('gets nothing of it for a token that has been used up: a replayed HELLO', async ({ scene }) => {
    const { server, client, served, attach } = await established(scene)
    const old = copyOf(client, ACCEPTED)
    client.transport.terminate()
    await scene.journal.until('the resumption', () => client.resumes.length === 1)
    await client.session.send('c 4')
    const raw = attach({ ...old, sent: ACCEPTED + 1 })
    const welcome = await raw.welcome()
    expect(welcome).toMatchObject({ resumed: false, reason: 'unknown', received: 0, last: 0 })
    expect(welcome.session).not.toBe(client.session.id)
    await scene.othersRetry()
    expect([client.session.state, client.transports.length, client.superseded]).toEqual(['open', 2, 0])
    expect([served.resumes.length, server.sessions.length]).toEqual([1, 2])
    expect(raw.received.filter((message) => String(message).startsWith('D'))).toEqual([])
  })

  test('gets the same answer for a token that never was', async ({ scene }) => {
    const { client, attach } = await established(scene)
    const copy = copyOf(client, ACCEPTED)
    const answers = [
      await attach({ ...copy, token: `${copy.token.slice(0, -1)}_` }).welcome(),
      await attach({ ...copy, token: `${copy.token.slice(0, -1)}_`, sent: 0 }).welcome(),
      await attach({ ...copy, session: 'nobody' }).welcome(),
    ]
    for (const answer of answers) expect(answer).toMatchObject({ resumed: false, reason: 'unknown' })
    expect(client.session.state).toBe('open')
  })

  test('can use the former token until the new one is known to have arrived: a lost WELCOME', async ({ scene }) => {
    const { client, attach } = await established(scene)
    const copy = copyOf(client, ACCEPTED)
    // It never says that it has its WELCOME.
    await attach(copy).welcome()
    const second = attach(copy)
    expect(await second.welcome()).toMatchObject({ resumed: true })
    second.send('A2')
    expect(await second.isAlive()).toBe(true)
    expect(await attach(copy).welcome()).toMatchObject({ resumed: false, reason: 'unknown' })
    expect(await second.isAlive()).toBe(true)
  })
})

describe('a duplicated tab', () => {
  test('goes on in the session if neither has sent since', async ({ scene }) => {
    const { server, client, served, attach } = await established(scene)
    const copy = attach(copyOf(client, ACCEPTED))
    await copy.welcome()
    copy.send('D4,2 from the copy')
    await scene.journal.until('its message', () => served.messages.length === ACCEPTED + 1)
    await scene.journal.until('the original to know', () => client.superseded)
    expect(server.sessions).toHaveLength(1)
  })

  test('gets a session of its own if the original has sent since, which is not disturbed', async ({ scene }) => {
    const { server, client, served, attach } = await established(scene)
    const copy = copyOf(client, ACCEPTED)
    await client.session.send('c 4')
    const welcome = await attach(copy).welcome()
    expect(welcome).toMatchObject({ resumed: false, reason: 'forked', received: 0, accepted: 0, last: 0 })
    expect(welcome.session).not.toBe(client.session.id)
    await client.session.send('c 5')
    expect(served.texts).toEqual(numbered('c', 5))
    expect([client.transports.length, client.superseded, served.resumes]).toEqual([1, 0, []])
    expect(server.sessions).toHaveLength(2)
  })

  test('gets a session of its own also while the handler of what the original sent is at work', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    let finish = () => {}
    let handled = 0
    server.server.on('session', (session) =>
      session.on('message', () => {
        scene.journal.note('handled', ++handled)
        return new Promise<void>((resolve) => (finish = resolve))
      }),
    )
    const client = scene.connect(server.url).listen(scene)
    await scene.isOpen(client)
    const sent = client.session.send('c 1')
    await scene.journal.until('the handler', () => handled)
    const raw = RawClient.entering(server.url, { ...hello, resume: copyOf(client, 0) })
    scene.atEnd(() => raw.socket.terminate())
    expect(await raw.welcome()).toMatchObject({ resumed: false, reason: 'forked' })
    finish()
    await sent
    expect(handled).toBe(1)
  })

  test('of which the original has come back since, gets a session of its own', async ({ scene }) => {
    const { client, attach } = await established(scene)
    const copy = copyOf(client, ACCEPTED)
    client.transport.terminate()
    await scene.journal.until('the resumption', () => client.resumes.length === 1)
    await client.session.send('c 4')
    expect(await attach(copy).welcome()).toMatchObject({ resumed: false, reason: 'unknown' })
    expect(client.session.state).toBe('open')
  })
})

test('nobody else’s session: another subject with the right token gets a new one (field notes: auth middlewares skipped on recovery)', async ({
  scene,
}) => {
  const asked: unknown[] = []
  const server = await scene.sessionServer({
    authenticate: ({ auth }) => {
      asked.push(auth)
      return String(auth)
    },
  })
  const client = scene.connect(server.url, { auth: 'alice' }).listen(scene)
  await scene.isOpen(client)
  await client.session.send('mine')
  const resume = copyOf(client, 1)
  const mallory = RawClient.entering(server.url, { ...hello, resume, auth: 'mallory' })
  scene.atEnd(() => mallory.socket.terminate())
  expect(await mallory.welcome()).toMatchObject({ resumed: false, reason: 'subject', received: 0, last: 0 })
  expect(server.sessions.map(({ session }) => session.subject)).toEqual(['alice', 'mallory'])
  const alice = RawClient.entering(server.url, { ...hello, resume, auth: 'alice' })
  scene.atEnd(() => alice.socket.terminate())
  expect(await alice.welcome()).toMatchObject({ resumed: true })
  expect(asked).toEqual(['alice', 'mallory', 'alice'])
})
