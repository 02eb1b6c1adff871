import { connect as connectTcp } from 'node:net'
import { describe, expect } from 'vitest'
import { deferred } from './deferred.ts'
import { numbered, test } from './session-scene.ts'

describe('close() of a client', () => {
  test('resolves when the server’s handlers are done with all that was sent before', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    const handled: string[] = []
    server.server.on('session', (session) =>
      session.on('message', async ({ data }) => {
        await new Promise(setImmediate)
        handled.push(String(data))
      }),
    )
    const client = scene.connect(server.url, { closeTimeoutMs: 60_000 })
    const sends = numbered('c', 20).map((text) => client.session.send(text))
    const closed = client.session.close()
    expect(client.session.state).toBe('closing')
    await expect(client.session.send('too late')).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' })
    await closed
    expect(handled).toEqual(numbered('c', 20))
    await Promise.all(sends)
    expect([client.session.state, client.losses, client.errors]).toEqual(['closed', [], []])
    await scene.journal.until('the end on the server', () => server.sessions[0]!.ended)
    expect(server.sessions[0]!.ended).toEqual({ reason: 'closed', unacknowledged: 0 })
    expect(server.server.stats.sessions).toBe(0)
  })

  test('waits for a connection if there is none, and for the acknowledgements that it brings', async ({ scene }) => {
    const server = await scene.sessionServer()
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url, { closeTimeoutMs: 60_000 })
    await scene.isOpen(client)
    proxy.refuse()
    proxy.reset()
    await scene.journal.until('the client to know', () => client.session.state === 'waiting')
    const sent = client.session.send('typed while offline')
    const closed = client.session.close()
    await scene.journal.until('a few attempts in vain', () => client.transports.length > 3)
    expect(client.session.state).toBe('closing')
    proxy.heal()
    await Promise.all([sent, closed])
    expect(server.sessions[0]!.texts).toEqual(['typed while offline'])
    await scene.journal.until('the end on the server', () => server.sessions[0]!.ended)
    expect(client.losses).toEqual([])
  })

  test('gives up after closeTimeoutMs, and hands back what is not acknowledged', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    server.server.on('session', (session) => session.on('message', () => new Promise(() => {})))
    const client = scene.connect(server.url, { closeTimeoutMs: 200 })
    await scene.isOpen(client)
    const sends = Promise.allSettled(numbered('c', 2).map((text) => client.session.send(text)))
    await client.session.close()
    expect((await sends).map((result) => result.status === 'rejected' && result.reason.code)).toEqual([
      'ERR_SESSION_LOST',
      'ERR_SESSION_LOST',
    ])
    expect(client.lost).toEqual(numbered('c', 2).map((data) => ({ data, wasSent: true })))
  })

  test('while offline with nothing to acknowledge, is over at once', async ({ scene }) => {
    const client = scene.connect(await scene.deadUrl(), { closeTimeoutMs: 60_000 })
    await scene.journal.until('a few attempts', () => client.transports.length > 2)
    await client.session.close()
    const { length } = client.transports
    await scene.othersRetry()
    expect(client.transports).toHaveLength(length)
    expect(client.states.filter(({ state }) => state === 'closed')).toHaveLength(1)
  })

  test('in the turn of connect() never connects, unless something was sent', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    await client.session.close()
    await scene.othersRetry()
    expect([client.transports.length, server.server.stats.connections]).toEqual([0, 0])
    const sender = scene.connect(server.url, { closeTimeoutMs: 60_000 })
    const sent = sender.session.send('sent all the same')
    await sender.session.close()
    await sent
    expect(server.sessions[0]!.texts).toEqual(['sent all the same'])
  })

  test('twice is one end, for the signal and Symbol.asyncDispose too', async ({ scene }) => {
    const server = await scene.sessionServer()
    const abort = new AbortController()
    const aborted = scene.connect(server.url, { signal: abort.signal })
    const disposed = scene.connect(server.url)
    await Promise.all([scene.isOpen(aborted), scene.isOpen(disposed)])
    abort.abort()
    await Promise.all([
      aborted.session.close(),
      disposed.session.close(),
      disposed.session.close(),
      disposed.session[Symbol.asyncDispose](),
    ])
    for (const { session, states } of [aborted, disposed]) {
      expect(session.state).toBe('closed')
      expect(states.filter(({ state }) => state === 'closed')).toHaveLength(1)
    }
    await scene.journal.until('both ends on the server', () => server.sessions.every(({ ended }) => ended))
    expect(server.sessions.map(({ ended }) => ended!.reason)).toEqual(['closed', 'closed'])
    expect(() => scene.connect(server.url, { signal: abort.signal })).toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    )
  })
})

describe('close() of a server’s session', () => {
  test('ends it when the client has acknowledged what was sent before', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    const handler = deferred()
    const seen: string[] = []
    client.session.on('message', async ({ data }) => {
      await handler.promise
      seen.push(String(data))
    })
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const text of numbered('s', 3)) void session.send(text)
    let isClosed = false
    const closed = session.close().then(() => (isClosed = true))
    await scene.othersRetry()
    expect(isClosed).toBe(false)
    handler.resolve('')
    await closed
    expect(seen).toEqual(numbered('s', 3))
    await scene.journal.until('the client to know', () => client.session.state === 'closed')
    expect(server.sessions[0]!.ended).toEqual({ reason: 'ended', unacknowledged: 0 })
    await expect(session.send('too late')).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' })
    await scene.othersRetry()
    expect(client.transports).toHaveLength(1)
  })

  test('without a connection ends it at once: a client that comes back gets a new session', async ({ scene }) => {
    const server = await scene.sessionServer()
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url)
    await scene.isOpen(client)
    const { id } = client.session
    proxy.refuse()
    proxy.reset()
    const { session } = server.sessions[0]!
    await scene.journal.until('the server to know', () => !session.isConnected)
    await session.close()
    expect([session.end, server.server.stats.sessions]).toEqual(['ended', 0])
    proxy.heal()
    await scene.journal.until('the new session', () => server.sessions[1])
    await scene.isOpen(client)
    expect(client.session.id).not.toBe(id)
    expect(client.gaps).toMatchObject([{ reason: 'unknown', from: 1, to: undefined }])
  })
})

describe('close() of a server', () => {
  test('tells clients to move, waits for those that do, and closes the others', async ({ scene }) => {
    const old = await scene.sessionServer()
    const next = await scene.sessionServer()
    let url = old.url
    const mover = scene.connect(() => url)
    await scene.isOpen(mover)
    await mover.session.send('hello')
    url = next.url
    await old.server.close({ drainMs: 3_000 })
    await scene.journal.until('the client at the next server', () => next.sessions[0])
    expect(mover.states.find(({ ending }) => ending)!.ending).toMatchObject({ code: 4703, wasClean: true })
    expect(old.sessions[0]!.ended).toEqual({ reason: 'shutdown', unacknowledged: 0 })
    await mover.session.send('hello again')
    // Its own store is gone with it.
    expect(mover.gaps).toMatchObject([{ reason: 'unknown' }])
    expect(next.sessions[0]!.texts).toEqual(['hello again'])
  })

  test('closes at the deadline what does not move, and takes no one meanwhile', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    const closed = server.server.close({ drainMs: 500 })
    const late = scene.connect(server.url)
    await scene.journal.until('the late one to be refused', () => late.states.some(({ ending }) => ending))
    await closed
    expect(late.states.some(({ state }) => state === 'open')).toBe(false)
    await scene.journal.until('the client to know', () => client.session.state !== 'open')
    expect(server.server.stats).toMatchObject({ sessions: 0, connections: 0 })
    await server.server.close()
  })

  test('is not held up by a TCP connection that never says a word', async ({ scene }) => {
    const server = await scene.sessionServer()
    const socket = connectTcp(server.port, '127.0.0.1')
    socket.on('error', () => {})
    scene.atEnd(() => socket.destroy())
    await new Promise((resolve) => socket.once('connect', resolve))
    // The server has seen it when it has seen the one that came after it.
    await scene.isOpen(scene.connect(server.url))
    await server.server.close()
  })

  test('refuses a drainMs that is none, and goes on', async ({ scene }) => {
    const { server, client, served } = await scene.pair(({ url }) => url)
    await expect(server.server.close({ drainMs: -1 })).rejects.toMatchObject({ code: 'ERR_OPTION' })
    await client.session.send('still there')
    expect(served.texts).toEqual(['still there'])
    await scene.isOpen(scene.connect(server.url))
    await server.server.close()
  })
})
