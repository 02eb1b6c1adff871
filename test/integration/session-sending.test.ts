import { describe, expect } from 'vitest'
import type { ServerMessage } from '../../src/server/index.ts'
import { deferred } from './deferred.ts'
import { numbered, test } from './session-scene.ts'

describe('send() of a client', () => {
  test('resolves when the handler of the server has succeeded, not before', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    const handler = deferred()
    server.server.on('session', (session) =>
      session.on('message', ({ data }) => {
        scene.journal.note('handling', data)
        return handler.promise
      }),
    )
    const client = scene.connect(server.url)
    let isAccepted = false
    const sent = client.session.send('slow').then(() => (isAccepted = true))
    await scene.journal.until('the handler', () => /handling/.test(String(scene.journal)))
    // Whatever would acknowledge it by itself has done so by then.
    await scene.othersRetry()
    expect([isAccepted, client.session.pending]).toEqual([false, 1])
    handler.resolve('done')
    await sent
    expect(client.session.pending).toBe(0)
  })

  test('resolves when the server has received it, if that is what the server wants', async ({ scene }) => {
    const server = await scene.sessionServer({ session: { acknowledge: 'received' } }, false)
    let handled = 0
    server.server.on('session', (session) =>
      session.on('message', () => {
        handled++
        return new Promise(() => {})
      }),
    )
    const client = scene.connect(server.url)
    await Promise.all(numbered('c', 3).map((text) => client.session.send(text)))
    expect(handled).toBe(1)
  })

  test('keeps the order, whatever handlers take, and never has two at work', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    const seen: string[] = []
    let atWork = 0
    server.server.on('session', (session) =>
      session.on('message', async ({ data }) => {
        expect(++atWork).toBe(1)
        for (let turns = seen.length % 3; turns > 0; turns--) await new Promise(setImmediate)
        seen.push(String(data))
        atWork--
      }),
    )
    const client = scene.connect(server.url)
    const settled: number[] = []
    await Promise.all(numbered('c', 30).map((text, index) => client.session.send(text).then(() => settled.push(index))))
    expect(seen).toEqual(numbered('c', 30))
    expect(settled).toEqual(Array.from({ length: 30 }, (_, index) => index))
  })

  test('carries text and bytes as they were at the call', async ({ scene }) => {
    const { client, served } = await scene.pair(({ url }) => url)
    const bytes = new Uint8Array([0, 1, 2, 3, 255])
    const texts = ['', 'plain', 'ünïcödé 🐟', '\uD800 alone', 'B1,2,3 looks like a header']
    const sends = [
      ...texts.map((text) => client.session.send(text)),
      client.session.send(bytes.subarray(1, 4)),
      client.session.send(bytes.buffer),
      client.session.send(new Uint8Array(0)),
    ]
    bytes.fill(9)
    await Promise.all(sends)
    // UTF-8 has no lone surrogates.
    texts[3] = '\uFFFD alone'
    expect(served.messages.slice(0, 5).map(({ data }) => data)).toEqual(texts)
    expect(served.messages.slice(5).map(({ data }) => [...(data as Uint8Array)])).toEqual([
      [1, 2, 3],
      [0, 1, 2, 3, 255],
      [],
    ])
    for (const wrong of [undefined, null, 5, {}, ['a']])
      expect(() => client.session.send(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
  })

  test('rejects beyond the outbox, and takes messages again when there is room', async ({ scene }) => {
    const { client, served } = await scene.pair(({ url }) => url, {}, { outbox: { maxMessages: 3, maxBytes: 100 } })
    const results = await Promise.allSettled(numbered('c', 5).map((text) => client.session.send(text)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'])
    expect(results[3]).toMatchObject({ reason: { code: 'ERR_OUTBOX_FULL', name: 'HeartlineError' } })
    const [first, second] = await Promise.allSettled([
      client.session.send('x'.repeat(90)),
      client.session.send('x'.repeat(11)),
    ])
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
    // One that is larger than all the room goes alone.
    await client.session.send('x'.repeat(1_000))
    expect(served.texts.map(({ length }) => length)).toEqual([3, 3, 3, 90, 1_000])
  })

  test('waits beyond the outbox, if that is what the client wants', async ({ scene }) => {
    const { client, served } = await scene.pair(
      ({ url }) => url,
      {},
      { outbox: { maxMessages: 3, onOverflow: 'wait' } },
    )
    const sends = numbered('c', 50).map((text) => client.session.send(text))
    expect(client.session.pending).toBe(50)
    await Promise.all(sends)
    expect(served.texts).toEqual(numbered('c', 50))
  })

  test('rejects what is larger than the server takes, also what was sent before that was known', async ({ scene }) => {
    const server = await scene.sessionServer({ limits: { maxMessageBytes: 100 } })
    const client = scene.connect(server.url)
    const early = await Promise.allSettled(
      ['small', 'x'.repeat(101), 'small too'].map((text) => client.session.send(text)),
    )
    expect(early.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(early[1]).toMatchObject({ reason: { code: 'ERR_MESSAGE_TOO_LARGE' } })
    await expect(client.session.send(new Uint8Array(101))).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' })
    await client.session.send('x'.repeat(100))
    expect(server.sessions[0]!.texts.map(({ length }) => length)).toEqual([5, 9, 100])
    expect(client.transports).toHaveLength(1)
  })
})

describe('send() of a server', () => {
  test('resolves when the message is stored, and the client acknowledges what its handler has done', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    const handler = deferred()
    client.session.on('message', ({ data }) => {
      scene.journal.note('handling', data)
      return handler.promise
    })
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    await session.send('slow')
    await scene.journal.until('the handler', () => /handling/.test(String(scene.journal)))
    await scene.othersRetry()
    expect(session.pending).toBe(1)
    handler.resolve('done')
    // The answer carries the acknowledgement.
    await new Promise(setImmediate)
    await client.session.send('and now')
    expect(session.pending).toBe(0)
  })

  test('is acknowledged on receipt, if that is what the client wants', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url, { acknowledge: 'received' })
    let handled = 0
    client.session.on('message', () => {
      scene.journal.note('handling', ++handled)
      return new Promise(() => {})
    })
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const text of numbered('s', 3)) void session.send(text)
    await scene.journal.until('the first one', () => handled)
    await client.session.send('and now')
    expect([session.pending, handled]).toEqual([0, 1])
  })

  test('reaches a client that has no listener yet when it has one', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const text of numbered('s', 3)) void session.send(text)
    await client.session.send('they have arrived by now')
    client.listen(scene)
    await scene.journal.until('all', () => client.messages.length === 3)
    expect(client.texts).toEqual(numbered('s', 3))
  })
})

describe('for await', () => {
  test('gives a client the messages one by one; each is handled when the next one is asked for', async ({ scene }) => {
    const server = await scene.sessionServer()
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (const text of numbered('s', 5)) void session.send(text)
    const seen: string[] = []
    for await (const { data } of client.session) {
      seen.push(String(data))
      await client.session.send(`got ${data}`)
      // This one is being handled, and those before it have been.
      expect(session.pending).toBe(5 - seen.length + 1)
      if (seen.length === 3) break
    }
    expect(seen).toEqual(numbered('s', 3))
    const rest: string[] = []
    for await (const { data } of client.session) {
      rest.push(String(data))
      if (rest.length === 2) break
    }
    expect(rest).toEqual(numbered('s', 2, 4))
  })

  test('ends when the session is closed', async ({ scene }) => {
    const { server } = await scene.pair(({ url }) => url)
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    void server.sessions[1]!.session.send('only one')
    const seen: string[] = []
    for await (const { data } of client.session) {
      seen.push(String(data))
      void client.session.close()
    }
    expect(seen).toEqual(['only one'])
  })
})

describe.each(['server', 'client'] as const)('a handler of the %s that fails', (side) => {
  test('is reported, and gets the message again, with the same id and before any other', async ({ scene }) => {
    const server = await scene.sessionServer({}, false)
    const client = scene.connect(server.url)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    const sender = side === 'server' ? client.session : session
    const receiver: Pick<typeof session, 'on'> = side === 'server' ? session : (client.session as never)
    const seen: ServerMessage[] = []
    let fails = true
    receiver.on('message', (message: ServerMessage) => {
      seen.push(message)
      scene.journal.note('handling', message)
      if (message.data === 'bad' && fails) throw new TypeError('not now')
      return message.data === 'worse' && fails ? Promise.reject(new TypeError('nor now')) : undefined
    })
    const sends = Promise.all(['good', 'bad', 'last'].map((text) => sender.send(text)))
    const errors = side === 'server' ? server.sessions[0]!.errors : client.errors
    await scene.journal.until('the error', () => errors.length > 0)
    expect(errors).toEqual([
      expect.objectContaining({ code: 'ERR_HANDLER', cause: expect.objectContaining({ message: 'not now' }) }),
    ])
    expect(seen.map(({ data }) => data)).toEqual(['good', 'bad'])
    // Over another connection it is still the same message.
    client.transport.terminate()
    fails = false
    await sends
    await scene.journal.until('all', () => seen.length === 4)
    expect(seen.map(({ data, redelivered }) => [data, redelivered])).toEqual([
      ['good', false],
      ['bad', false],
      ['bad', true],
      ['last', false],
    ])
    expect(seen.map(({ id }) => id)).toEqual([1, 2, 2, 3].map((number) => `${client.session.id}:${number}`))
    fails = true
    void sender.send('worse')
    await scene.journal.until('the second error', () => errors.length > 1)
    expect(errors[1]).toMatchObject({ code: 'ERR_HANDLER', cause: { message: 'nor now' } })
    fails = false
    await scene.journal.until('it once more', () => seen.length === 6)
    expect(seen[5]).toMatchObject({ data: 'worse', redelivered: true })
  })
})
