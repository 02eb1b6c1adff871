import { describe, expect } from 'vitest'
import { test } from './session-scene.ts'

describe('authenticate', () => {
  test('is asked at every attach, and sees the request (field notes: auth middlewares skipped on recovery)', async ({
    scene,
  }) => {
    const asked: unknown[] = []
    let isAllowed = true
    const server = await scene.sessionServer({
      authenticate: ({ auth, request }) => {
        asked.push([auth, request.headers['user-agent'], request.url])
        return isAllowed && { subject: 'alice', name: 'Alice' }
      },
    })
    const client = scene.connect(`${server.url}/?room=5`, { auth: { token: 't', list: [1, 'ü(*)'] } })
    await client.session.send('one')
    client.transport.terminate()
    await client.session.send('two')
    expect(server.sessions[0]!.session.identity).toEqual({ subject: 'alice', name: 'Alice' })
    expect(server.sessions[0]!.session.subject).toBe('alice')
    isAllowed = false
    client.transport.terminate()
    await scene.journal.until('the client to know', () => client.session.state !== 'open')
    const sent = client.session.send('three')
    await scene.journal.until('the end', () => client.session.state === 'closed')
    await expect(sent).rejects.toMatchObject({ code: 'ERR_SESSION_LOST' })
    expect(client.lost).toEqual([{ data: 'three', wasSent: false }])
    expect(client.states.at(-1)!.ending).toMatchObject({ code: 4901, cause: 'refused', reason: 'unauthorized' })
    expect(asked).toEqual(Array.from({ length: 3 }, () => [{ token: 't', list: [1, 'ü(*)'] }, undefined, '/?room=5']))
    expect(server.sessions[0]!.texts).toEqual(['one', 'two'])
  })

  test('gets a renewed token from a client that can give one, and takes its session back', async ({ scene }) => {
    let valid = 'first'
    const server = await scene.sessionServer({ authenticate: ({ auth }) => auth === valid && 'alice' })
    const asked: unknown[] = []
    const client = scene.connect(server.url, {
      auth: async ({ reason, attempts }) => {
        asked.push(reason)
        await new Promise(setImmediate)
        return reason === 'rejected' && attempts > 1 ? 'second' : 'first'
      },
    })
    await client.session.send('one')
    valid = 'second'
    client.transport.terminate()
    await client.session.send('two')
    expect(asked.slice(0, 3)).toEqual(['initial', 'reconnect', 'rejected'])
    expect(client.resumes).toHaveLength(1)
    expect(server.sessions).toHaveLength(1)
    expect(server.sessions[0]!.texts).toEqual(['one', 'two'])
  })

  test('that fails is told on the server, and the client comes back later (retryAfterMs is a floor)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer({ authenticate: () => Promise.reject(new Error('the database is away')) })
    const client = scene.connect(server.url)
    await scene.journal.until('the wait', () => client.states.some(({ state }) => state === 'waiting'))
    const { ending, retryInMs } = client.states.find(({ state }) => state === 'waiting')!
    expect(ending).toMatchObject({ code: 4803, reason: 'authentication failed', cause: 'refused' })
    expect(retryInMs).toBeGreaterThan(4_000)
    expect(server.errors).toEqual([
      expect.objectContaining({
        code: 'ERR_PROVIDER',
        cause: expect.objectContaining({ message: 'the database is away' }),
      }),
    ])
    // Nothing of it reaches the client.
    expect(JSON.stringify(client.states)).not.toContain('database')
  })

  test('that fails in the client makes that attempt fail, no more', async ({ scene }) => {
    const server = await scene.sessionServer()
    let calls = 0
    const client = scene.connect(server.url, {
      auth: () => (++calls < 3 ? Promise.reject(new Error('not signed in yet')) : 'token'),
    })
    await client.session.send('at last')
    expect(client.errors.map(({ code, cause }) => [code, (cause as Error).message])).toEqual(
      Array.from({ length: 2 }, () => ['ERR_PROVIDER', 'not signed in yet']),
    )
    expect(client.states.map(({ ending }) => ending?.code)).toContain(4802)
  })

  test('works with credentials that are too large for the upgrade request', async ({ scene }) => {
    const auth = 'x'.repeat(6_000)
    const seen: unknown[] = []
    const server = await scene.sessionServer({ authenticate: ({ auth }) => (seen.push(auth), 'alice') })
    const client = scene.connect(server.url, { auth })
    await client.session.send('one')
    client.transport.terminate()
    await client.session.send('two')
    expect(seen).toEqual([auth, auth])
    expect(client.transports.map(({ protocols }) => protocols)).toEqual([['heartline.v1'], ['heartline.v1']])
    expect(client.resumes).toHaveLength(1)
  })
})

describe('a server that is full', () => {
  test('sends clients away for a while, and still resumes those that it has', async ({ scene }) => {
    const server = await scene.sessionServer({ limits: { maxSessions: 1 } })
    const client = scene.connect(server.url)
    await client.session.send('one')
    const late = scene.connect(server.url, {}, 'late')
    await scene.journal.until('the wait', () => late.states.some(({ state }) => state === 'waiting'))
    expect(late.states.at(-1)).toMatchObject({ state: 'waiting', ending: { code: 4803, cause: 'refused' } })
    expect(late.states.at(-1)!.retryInMs).toBeGreaterThan(4_000)
    client.transport.terminate()
    await client.session.send('two')
    expect(client.resumes).toHaveLength(1)
  })

  test('for one subject takes others', async ({ scene }) => {
    const server = await scene.sessionServer({
      limits: { maxSessionsPerSubject: 2 },
      authenticate: ({ auth }) => String(auth),
    })
    const clients = ['alice', 'alice', 'bob'].map((auth) => scene.connect(server.url, { auth }))
    await Promise.all(clients.map(({ session }) => session.send('hello')))
    const late = scene.connect(server.url, { auth: 'alice' }, 'late')
    await scene.journal.until('the wait', () => late.states.some(({ state }) => state === 'waiting'))
    expect(late.states.at(-1)!.ending).toMatchObject({ code: 4803, reason: 'too many sessions' })
    // One that ends makes room.
    await clients[0]!.session.close()
    await scene.journal.until('its end', () => server.sessions.some(({ ended }) => ended))
    await scene.connect(server.url, { auth: 'alice' }).session.send('room again')
  })
})
