import { describe, expect } from 'vitest'
import { examine, faultless } from './history.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { numbered, shortHeartbeat, test } from './session-scene.ts'

describe('messages that are on their way when the path dies', () => {
  test('all arrive, once and in order, 40 of 40 each way (field notes: 40 of 40 messages lost, nobody told)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer({ heartbeat: shortHeartbeat })
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url, { heartbeat: shortHeartbeat, connectTimeoutMs: 500 }).listen(scene)
    await scene.isOpen(client)
    const served = server.sessions[0]!
    proxy.blackHole()
    const sends = numbered('c', 40).map((text) => client.session.send(text))
    for (const text of numbered('s', 40)) void served.session.send(text)
    await scene.journal.until('the client to know', () => client.states.at(-1)!.state !== 'open')
    proxy.heal()
    await Promise.all(sends)
    await scene.journal.until('the other 40', () => client.messages.length === 40)
    expect(examine({ sent: numbered('c', 40), delivered: served.texts })).toEqual(faultless)
    expect(examine({ sent: numbered('s', 40), delivered: client.texts })).toEqual(faultless)
  })

  test('are handled once, however often their acknowledgement gets lost (field notes: one call executed three times, four times)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url, { connectTimeoutMs: 500 }).listen(scene)
    await scene.isOpen(client)
    const served = server.sessions[0]!
    for (let times = 1; times <= 3; times++) {
      const { length } = client.resumes
      proxy.blackHole('serverToClient')
      const sent = client.session.send(`call ${times}`)
      await scene.journal.until('the call', () => served.texts.includes(`call ${times}`))
      let isAccepted = false
      void sent.then(() => (isAccepted = true))
      // Three connections come and go with the acknowledgement, which none of them brings through.
      for (let cuts = 0; cuts < 3; cuts++) {
        const { length } = client.transports
        client.transport.terminate()
        await scene.journal.until('the next attempt', () => client.transports.length > length)
      }
      expect(isAccepted).toBe(false)
      proxy.heal()
      proxy.reset()
      await sent
      expect(client.resumes.length).toBeGreaterThan(length)
    }
    expect(served.texts).toEqual(numbered('call', 3))
  })

  test('are recognized by their numbers, whatever a client repeats (field notes: retries under a new ackId)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const raw = RawClient.entering(server.url)
    scene.atEnd(() => raw.socket.terminate())
    const { session, token, generation } = await raw.welcome()
    raw.send('A0', 'B1,0,1,1,1 abc')
    await raw.answered('A3')
    const resume = { session, token, position: { generation, offset: 0 }, sent: 5 }
    const again = RawClient.entering(server.url, { ...hello, resume })
    scene.atEnd(() => again.socket.terminate())
    expect(await again.welcome()).toMatchObject({ resumed: true, received: 3, accepted: 3 })
    again.send('B1,0,1,1,1,1 abcd', 'D5,0 e')
    await again.answered('A5')
    expect(server.sessions[0]!.texts).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('are many at a time, with a handler that takes its time, and each is handled once (field notes: socket.io#5334)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer({}, false)
    const begun: string[] = []
    const ended: string[] = []
    server.server.on('session', (session) =>
      session.on('message', async ({ data, redelivered }) => {
        expect(redelivered).toBe(false)
        begun.push(String(data))
        scene.journal.note('begun', data)
        // The handler outlives its connection.
        const { length } = client.resumes
        if (begun.length % 5 === 0) proxy.reset()
        await scene.journal.until('the resumption', () => client.resumes.length > length || begun.length % 5)
        ended.push(String(data))
      }),
    )
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url)
    await Promise.all(numbered('c', 50).map((text) => client.session.send(text)))
    expect(begun).toEqual(numbered('c', 50))
    expect(ended).toEqual(numbered('c', 50))
    expect(client.resumes).toHaveLength(10)
  })
})

describe('a replay', () => {
  test('is not overtaken by what is sent meanwhile, in either direction (field notes: MQTT QoS 1 reorders 20 % and more)', async ({
    scene,
  }) => {
    const { client, served } = await scene.pair(({ url }) => url)
    const { session } = served
    client.transport.terminate()
    for (const text of numbered('c', 300)) void client.session.send(text)
    for (const text of numbered('s', 300)) void session.send(text)
    // Live ones right behind the replayed ones, from inside the very events that tell of the resumption.
    client.session.on('resumed', () => {
      for (const text of numbered('c', 300, 301)) void client.session.send(text)
    })
    session.on('resumed', () => {
      for (const text of numbered('s', 300, 301)) void session.send(text)
    })
    await scene.journal.until('all', () => client.messages.length === 600 && served.messages.length === 600)
    expect(client.texts).toEqual(numbered('s', 600))
    expect(served.texts).toEqual(numbered('c', 600))
  })

  test('during which both sides acknowledge shifts no number (field notes: SignalR’s implicit counting)', async ({
    scene,
  }) => {
    const { client, served } = await scene.pair(({ url }) => url, { limits: { maxPendingMessages: 8 } })
    let sentByServer = 0
    // Each message is answered, so that acknowledgements of both directions travel with every replay.
    const answer = () => void served.session.send(`s ${++sentByServer}`)
    served.session.on('message', answer)
    const sends: Promise<void>[] = []
    for (let round = 0; round < 10; round++) {
      for (const text of numbered('c', 20, round * 20 + 1)) sends.push(client.session.send(text))
      const cutAt = round * 20 + 10
      await scene.journal.until('half of them', () => served.messages.length >= cutAt)
      client.transport.terminate()
    }
    await Promise.all(sends)
    await scene.journal.until('all answers', () => client.messages.length === 200)
    expect(served.texts).toEqual(numbered('c', 200))
    expect(client.texts).toEqual(numbered('s', 200))
    // Every id names its message, for ever.
    for (const messages of [served.messages, client.messages])
      expect(messages.map(({ id }) => id)).toEqual(
        numbered('', 200).map((_, index) => `${client.session.id}:${index + 1}`),
      )
  })

  test('that is cut, and cut again, loses nothing of the rest (field notes: MQTT.js#2015)', async ({ scene }) => {
    const { client, served } = await scene.pair(({ url }) => url, { limits: { maxPendingMessages: 10 } })
    client.transport.terminate()
    const sends = numbered('c', 1_000).map((text) => client.session.send(text))
    served.session.on('message', () => {
      if (served.messages.length % 95 === 0) client.transport.terminate()
    })
    await Promise.all(sends)
    expect(served.texts).toEqual(numbered('c', 1_000))
    expect(client.resumes.length).toBeGreaterThan(10)
  })
})

describe('a session that has been resumed', () => {
  test('is resumed again, as often as it takes (field notes: socket.io#4880)', async ({ scene }) => {
    const { client, served } = await scene.pair(({ url }) => url)
    for (let times = 1; times <= 20; times++) {
      client.transport.terminate()
      await Promise.all([client.session.send(`c ${times}`), served.session.send(`s ${times}`)])
      await scene.journal.until('the message', () => client.messages.length === times)
    }
    expect(client.resumes).toHaveLength(20)
    expect(served.texts).toEqual(numbered('c', 20))
    expect(client.texts).toEqual(numbered('s', 20))
  })

  test('does not get the same messages again when it is cut before it has acknowledged them (field notes: socket.io#5419)', async ({
    scene,
  }) => {
    const server = await scene.sessionServer()
    const proxy = await scene.proxy(server)
    const client = scene.connect(proxy.url).listen(scene)
    await scene.isOpen(client)
    const { session } = server.sessions[0]!
    for (let times = 1; times <= 5; times++) {
      const { length } = client.resumes
      // What it acknowledges does not get through.
      proxy.blackHole('clientToServer')
      void session.send(`s ${times}`)
      await scene.journal.until('the message', () => client.messages.length === times)
      expect(session.pending).toBeGreaterThan(0)
      proxy.heal()
      proxy.reset()
      await scene.journal.until('the resumption', () => client.resumes.length > length)
    }
    await client.session.send('done')
    expect(client.texts).toEqual(numbered('s', 5))
    expect(client.messages.map(({ redelivered }) => redelivered)).toEqual([false, false, false, false, false])
  })
})

test('the secret of a session is in no URL, no close reason and no error (field notes: resume token in the URL query)', async ({
  scene,
}) => {
  const urls: string[] = []
  const server = await scene.sessionServer({
    authenticate: ({ request }) => {
      urls.push(request.url!)
      return 'somebody'
    },
  })
  const client = scene.connect(server.url, { auth: 'secret of the user' }).listen(scene)
  await scene.isOpen(client)
  for (let times = 0; times < 3; times++) {
    client.transport.terminate()
    await client.session.send('again')
  }
  const tokens = client.transports.map(({ frames }) => {
    const { frame } = frames.find(({ frame }) => frame.type === 'welcome')!
    return frame.type === 'welcome' ? frame.body.token : ''
  })
  await client.session.close()
  expect(new Set(tokens).size).toBe(4)
  expect(urls).toEqual(['/', '/', '/', '/'])
  const reasons = client.states.map(({ ending }) => ending)
  const told = JSON.stringify([
    reasons,
    [...client.errors, ...server.errors].map(String),
    client.session,
    server.server,
  ])
  for (const secret of [...tokens, 'secret of the user']) expect(told).not.toContain(secret)
})
