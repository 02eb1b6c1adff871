import { inspect } from 'node:util'
import { expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { connect } from '../../src/client/node.ts'
import type { Resume, Welcome } from '../../src/protocol/frame.ts'
import { createServer, type SessionServer } from '../../src/server/index.ts'
import { hello, RawClient } from './hostile/raw-client.ts'

const compared = vi.hoisted(() => ({ count: 0 }))
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  const timingSafeEqual: typeof crypto.timingSafeEqual = (one, other) => {
    compared.count++
    return crypto.timingSafeEqual(one, other)
  }
  return { ...crypto, timingSafeEqual }
})

async function urlOf(server: SessionServer<any>): Promise<string> {
  return `ws://127.0.0.1:${(await server.listening).port}/`
}

const resumeOf = ({ session, token, generation }: Welcome, offset = 0, sent = 0): Resume => ({
  session,
  token,
  position: { generation, offset },
  sent,
})

/** A session that has received and sent something, and its WELCOME. */
async function victimOf(url: string, auth?: string): Promise<{ victim: RawClient; welcome: Welcome }> {
  const victim = RawClient.entering(url, { ...hello, ...(auth !== undefined && { auth }) })
  const welcome = await victim.welcome()
  victim.send('A0', 'D1,0 one')
  await victim.answered('D1')
  victim.send('D2,1 two')
  await victim.answered('D2')
  return { victim, welcome }
}

function echo(server: SessionServer<any>): void {
  server.on('session', (session) => session.on('message', ({ data }) => session.send(data)))
}

test('whoever guesses tokens gets the same answer for a session that exists and for one that does not', async () => {
  await using server = createServer({ port: 0 })
  echo(server)
  const url = await urlOf(server)
  const { victim, welcome } = await victimOf(url)
  const shapes = new Set<string>()
  const names = new Set<string>()
  for (let guess = 0; guess < 150; guess++) {
    const session = guess % 2 ? welcome.session : 'A'.repeat(welcome.session.length)
    const token = [welcome.token.slice(0, -1) + (welcome.token.endsWith('A') ? 'B' : 'A'), '', 'x'.repeat(32)][
      guess % 3
    ]!
    const generation = guess % 5 ? welcome.generation : ''
    const position = { generation, offset: [0, 1, 2, 999][guess % 4]! }
    const client = RawClient.entering(url, {
      ...hello,
      resume: { session, token, position, sent: [0, 2, 999][guess % 3]! },
    })
    const { session: given, token: fresh, ...rest } = await client.welcome()
    shapes.add(JSON.stringify(rest))
    names.add(given)
    expect(fresh).toHaveLength(32)
    client.socket.terminate()
  }
  expect([...shapes].map((shape) => JSON.parse(shape) as object)).toMatchObject([
    { resumed: false, reason: 'unknown', last: 0, received: 0 },
  ])
  expect(names.has(welcome.session)).toBe(false)
  expect(await victim.isAlive()).toBe(true)
  await victim.close()
})

test('tokens are compared in constant time', async () => {
  await using server = createServer({ port: 0 })
  echo(server)
  const url = await urlOf(server)
  const { welcome } = await victimOf(url)
  const before = compared.count
  await RawClient.entering(url, { ...hello, resume: { ...resumeOf(welcome), token: 'wrong' } }).welcome()
  const forWrong = compared.count - before
  await RawClient.entering(url, { ...hello, resume: resumeOf(welcome, 2, 2) }).welcome()
  expect(forWrong).toBeGreaterThan(0)
  expect(compared.count - before - forWrong).toBe(forWrong)
})

test('a token has 192 random bits, and is another one at every attach', async () => {
  await using server = createServer({ port: 0 })
  const url = await urlOf(server)
  const tokens = new Set<string>()
  let welcome = await RawClient.entering(url).welcome()
  for (let attach = 0; attach < 20; attach++) {
    expect(Buffer.from(welcome.token, 'base64url')).toHaveLength(24)
    tokens.add(welcome.token)
    welcome = await RawClient.entering(url, { ...hello, resume: resumeOf(welcome) }).welcome()
    expect(welcome.resumed).toBe(true)
  }
  expect(tokens.size).toBe(20)
})

test('a HELLO that is replayed after the first frame of the new connection gets a new session', async () => {
  await using server = createServer({ port: 0 })
  echo(server)
  const url = await urlOf(server)
  const { welcome } = await victimOf(url)
  const stolen = { ...hello, resume: resumeOf(welcome, 2, 2) }
  const again = RawClient.entering(url, stolen)
  expect(await again.welcome()).toMatchObject({ resumed: true })
  again.send('A2')
  expect(await again.isAlive()).toBe(true)
  // What was noted is in the store at the end of the turn.
  await new Promise((resolve) => void setImmediate(resolve))
  const replayed = await RawClient.entering(url, stolen).welcome()
  expect(replayed).toMatchObject({ resumed: false, reason: 'unknown' })
  expect(replayed.session).not.toBe(welcome.session)
  expect(await again.isAlive()).toBe(true)
})

test('another subject with the session and its token gets a new session, and none of its messages', async () => {
  await using server = createServer({ port: 0, authenticate: ({ auth }) => String(auth) })
  echo(server)
  const url = await urlOf(server)
  const { victim, welcome } = await victimOf(url, 'alice')
  const thief = RawClient.entering(url, { ...hello, auth: 'bob', resume: resumeOf(welcome) })
  const given = await thief.welcome()
  expect(given).toMatchObject({ resumed: false, reason: 'subject', last: 0 })
  expect(server.session(given.session)!.subject).toBe('bob')
  expect(await server.session(welcome.session)!.send('for alice alone')).toBe(undefined)
  await victim.answered('D3')
  expect(await thief.isAlive()).toBe(true)
  expect(thief.received.filter((message) => /^[DB]/.test(String(message)))).toEqual([])
  expect(await victim.isAlive()).toBe(true)
})

test('a token never shows in a URL, a close reason, an error, a warning, an event, or the request that the application gets', async () => {
  const shown: string[] = []
  const show = (...what: unknown[]): void => {
    shown.push(...what.map((one) => inspect(one, { depth: 6, maxStringLength: Infinity, showHidden: true })))
  }
  const outputs = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
  const warn = (warning: Error): void => show(warning)
  process.on('warning', warn)
  const tokens = new Set<string>()
  const transports: WebSocket[] = []
  class WatchedWebSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      transports.push(this)
      show(String(url))
      this.on('message', (data) => {
        const text = String(data)
        if (text.startsWith('W ')) tokens.add((JSON.parse(text.slice(2)) as Welcome).token)
      })
      this.on('close', (_, reason) => show(String(reason)))
      this.on('unexpected-response', (_, response) => show(response.statusMessage, response.rawHeaders))
      this.on('upgrade', (response) => show(response.headers))
    }
  }
  let isBroken = false
  {
    await using server = createServer({
      port: 0,
      authenticate: ({ request }) => {
        show(request.url, request.headers, request.rawHeaders)
        if (isBroken) throw new Error('broken')
        return 'somebody'
      },
    })
    server.on('session', (session) => {
      show(session.id)
      for (const type of ['message', 'resumed', 'disconnected', 'latency', 'ended', 'error'] as const)
        session.on(type, (event) => show(event))
    })
    const url = await urlOf(server)
    const options = { WebSocket: WatchedWebSocket, reconnect: { minDelayMs: 1, maxDelayMs: 5 }, closeTimeoutMs: 0 }
    const session = connect(url, options)
    for (const type of ['state', 'message', 'resumed', 'gap', 'lost', 'latency', 'superseded', 'error'] as const)
      session.on(type, (event) => show(event))
    await session.send('one')
    const { id } = session
    // Resumed several times, then rejected, then with a failing authentication, which is a warning without a listener.
    for (let cut = 0; cut < 3; cut++) {
      const opened = new Promise<void>((resolve) => {
        const off = session.on('resumed', () => {
          off()
          resolve()
        })
      })
      const welcome: Welcome = { ...(await RawClient.entering(url).welcome()), session: id!, token: 'guess' }
      await RawClient.entering(url, { ...hello, resume: resumeOf(welcome) }).welcome()
      for (const transport of transports) transport.terminate()
      await opened
    }
    isBroken = true
    const rejected = new Promise<void>((resolve) => {
      session.on('state', ({ ending }) => ending?.code === 4803 && resolve())
    })
    for (const transport of transports) transport.terminate()
    await rejected
    await session.close()
    await server.close()
    show(server.stats)
  }
  for (const { mock } of outputs) for (const [text] of mock.calls) shown.push(String(text))
  for (const output of outputs) output.mockRestore()
  await new Promise((resolve) => void setImmediate(resolve))
  process.off('warning', warn)
  expect(tokens.size).toBeGreaterThan(3)
  expect(shown.join('\n')).toContain('broken')
  for (const token of tokens) for (const text of shown) expect(text).not.toContain(token)
})
