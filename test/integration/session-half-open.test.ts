import { describe, expect } from 'vitest'
import type { FaultProxy } from '../../src/testing/index.ts'
import type { ConnectOptions } from '../../src/client/index.ts'
import type { ServerOptions } from '../../src/server/index.ts'
import { examine, faultless } from './history.ts'
import {
  numbered,
  test,
  type ObservedServer,
  type ObservedServerSession,
  type ObservedSession,
  type SessionScene,
} from './session-scene.ts'

const CLIENTS = 20
/** Messages of each side to each other one, before the path dies and while it is dead. */
const BEFORE = 3
const WHILE_DEAD = 20

interface Couple {
  readonly client: ObservedSession
  readonly served: ObservedServerSession
}

interface Crowd {
  readonly server: ObservedServer
  readonly proxy: FaultProxy
  readonly couples: readonly Couple[]
  /** Attempts wait as long as this is pending. */
  mayConnect: Promise<void>
}

/** Twenty clients behind one proxy, each of which has sent and got a few messages. */
async function gather(scene: SessionScene, serverOptions: ServerOptions, options: ConnectOptions): Promise<Crowd> {
  const server = await scene.sessionServer(serverOptions)
  const proxy = await scene.proxy(server)
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    scene
      .connect(
        async () => {
          await crowd.mayConnect
          return proxy.url
        },
        options,
        `client ${index + 1}`,
      )
      .listen(scene, `client ${index + 1}`),
  )
  const crowd = { server, proxy, couples: [] as Couple[], mayConnect: Promise.resolve() }
  await scene.journal.until('all to be open', () => clients.every(({ session }) => session.state === 'open'))
  for (const client of clients)
    crowd.couples.push({ client, served: server.sessions.find(({ session }) => session.id === client.session.id)! })
  talk(scene, crowd, BEFORE, 1)
  await arrival(scene, crowd, BEFORE)
  return crowd
}

/** Each side sends; nothing is awaited. */
function talk(scene: SessionScene, { couples }: Crowd, count: number, first: number): void {
  for (const { client, served } of couples) {
    for (const text of numbered('c', count, first))
      void client.session.send(text).then(() => scene.journal.note('accepted', text))
    for (const text of numbered('s', count, first)) void served.session.send(text)
  }
}

function arrival(scene: SessionScene, { couples }: Crowd, count: number): Promise<unknown> {
  return scene.journal.until(`${count} messages each way`, () =>
    couples.every(
      ({ client, served }) =>
        client.messages.length >= count && served.messages.length >= count && !client.session.pending,
    ),
  )
}

/** All of them are resumed, and have all messages once and in order. */
async function expectNothingLost(scene: SessionScene, crowd: Crowd): Promise<void> {
  const count = BEFORE + WHILE_DEAD
  await arrival(scene, crowd, count)
  for (const { client, served } of crowd.couples) {
    expect(examine({ sent: numbered('c', count), delivered: served.texts })).toEqual(faultless)
    expect(examine({ sent: numbered('s', count), delivered: client.texts })).toEqual(faultless)
    expect([client.gaps, client.losses, client.errors, served.ended]).toEqual([[], [], [], undefined])
  }
  const resumed = crowd.couples.filter(({ client }) => client.resumes.length > 0).length
  console.info(`${resumed} of ${CLIENTS} resumed, ${crowd.server.server.stats.resumed} times in all`)
  expect(resumed).toBe(CLIENTS)
  expect(crowd.server.sessions).toHaveLength(CLIENTS)
}

describe('when the path dies for both directions', () => {
  test('and the client notices first, 20 of 20 are resumed and nothing is lost (field notes: 0 of 20 when the client notices first)', async ({
    scene,
  }) => {
    const crowd = await gather(scene, {}, {})
    const { server, proxy, couples } = crowd
    let mayConnect = () => {}
    crowd.mayConnect = new Promise((resolve) => (mayConnect = resolve))
    let closed = 0
    proxy.on('close', () => scene.journal.note('proxy: a client is gone', ++closed))
    proxy.blackHole()
    talk(scene, crowd, WHILE_DEAD, BEFORE + 1)
    // Each client's own side is cut; the black hole swallows that, too.
    await new Promise(setImmediate)
    expect(couples.every(({ client }) => client.transport.sent.some((frame) => String(frame).includes('c 4')))).toBe(
      true,
    )
    for (const { client } of couples) client.transport.terminate()
    await scene.journal.until('the ends of all clients', () => closed === CLIENTS)
    expect(couples.every(({ served }) => served.session.isConnected && !served.disconnects.length)).toBe(true)
    expect(server.server.stats.connections).toBe(CLIENTS)
    proxy.heal()
    mayConnect()
    await expectNothingLost(scene, crowd)
    // Nobody had told the server: the connections were taken over.
    for (const { served } of couples) expect(served.disconnects).toEqual([])
  })

  test('and the server notices first, 20 of 20 are resumed and nothing is lost', async ({ scene }) => {
    const crowd = await gather(
      scene,
      { heartbeat: { intervalMs: 200, timeoutMs: 200 } },
      { heartbeat: { intervalMs: 1_500, timeoutMs: 500 }, connectTimeoutMs: 500 },
    )
    const { server, proxy, couples } = crowd
    proxy.blackHole()
    talk(scene, crowd, WHILE_DEAD, BEFORE + 1)
    await scene.journal.until('20 ghosts', () => couples.every(({ served }) => served.disconnects.length > 0))
    expect(couples.every(({ client }) => client.session.state === 'open' && client.states.length === 2)).toBe(true)
    expect(server.ghosts).toBe(CLIENTS)
    proxy.heal()
    await expectNothingLost(scene, crowd)
  })
})

describe.each(['clientToServer', 'serverToClient'] as const)('when the path dies from %s only', (direction) => {
  test('20 of 20 are resumed and nothing is lost (field notes: Socket.IO’s client learns 25 s after its server)', async ({
    scene,
  }) => {
    const heartbeat = { intervalMs: 400, timeoutMs: 300 }
    const crowd = await gather(scene, { heartbeat }, { heartbeat, connectTimeoutMs: 500 })
    const { proxy, couples } = crowd
    proxy.blackHole(direction)
    talk(scene, crowd, WHILE_DEAD, BEFORE + 1)
    await scene.journal.until('all clients to know', () =>
      couples.every(({ client }) => client.states.some(({ state }) => state === 'waiting')),
    )
    proxy.heal()
    await expectNothingLost(scene, crowd)
  })
})
