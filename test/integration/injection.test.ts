import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { HeartbeatWebSocket, type WebSocketConstructor } from '../../src/websocket/index.ts'
import { libraries, type Library } from './libraries.ts'
import { BOUND_MS, heartbeat, SLACK_MS, test, type Scene } from './scene.ts'

const { intervalMs, timeoutMs } = heartbeat

/** Brings a library up behind a proxy whose faults end for new connections. */
async function stage(scene: Scene, library: Library, wrap: (WebSocket: WebSocketConstructor) => WebSocketConstructor) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  scene.atEnd(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  await once(server, 'listening')
  library.serve(server)
  const proxy = await scene.proxy(server.address() as AddressInfo)
  const attemptsMs: number[] = []
  class WatchedWebSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      proxy.heal()
      super(url, protocols)
      attemptsMs.push(performance.now())
      scene.journal.note(`attempt ${attemptsMs.length}`)
      this.addEventListener('message', ({ data }) => scene.journal.note('message', String(data)))
    }
  }
  const client = library.connect(proxy.url, wrap(WatchedWebSocket), scene)
  scene.atEnd(() => client.end())
  await client.ask('first')
  return { client, proxy, attemptsMs }
}

describe.each(libraries)('$name', { concurrent: true }, (library) => {
  test('recovers from a black hole when HeartbeatWebSocket is given to it', async ({ scene }) => {
    const { client, proxy, attemptsMs } = await stage(scene, library, (WebSocket) =>
      HeartbeatWebSocket.with({ WebSocket, heartbeat: { ...library.heartbeat, intervalMs, timeoutMs } }),
    )
    expect(attemptsMs).toHaveLength(1)
    const faultMs = performance.now()
    proxy.blackHole()
    await scene.journal.until('another attempt', () => attemptsMs.length === 2)
    await client.ask('second')
    const worksMs = performance.now()
    expect(attemptsMs[1]! - faultMs).toBeLessThan(BOUND_MS + SLACK_MS)
    expect(attemptsMs).toHaveLength(2)
    console.info(
      `${library.name}, bound ${BOUND_MS} ms: next attempt after ${(attemptsMs[1]! - faultMs).toFixed(0)} ms, ` +
        `works again after ${(worksMs - faultMs).toFixed(0)} ms`,
    )
  })

  test('is not disturbed by heartbeats while all is well, and does not see their replies', async ({ scene }) => {
    const { message, isReply } = library.heartbeat
    let heartbeats = 0
    let repliesSeen = 0
    const { client, attemptsMs } = await stage(scene, library, (WebSocket) => {
      const Given = HeartbeatWebSocket.with({
        WebSocket,
        heartbeat: {
          ...library.heartbeat,
          message() {
            heartbeats++
            return typeof message === 'function' ? message() : message
          },
          intervalMs: 100,
          timeoutMs: 3_000,
        },
      })
      return class extends Given {
        constructor(url: string | URL, protocols?: string | string[]) {
          super(url, protocols)
          this.addEventListener('message', ({ data }) => isReply?.(data) && repliesSeen++)
        }
      }
    })
    await scene.journal.until('ten heartbeats', () => heartbeats >= 10)
    await client.ask('second')
    expect(attemptsMs).toHaveLength(1)
    expect(repliesSeen).toBe(0)
  })

  test('does not notice a black hole in three times that time with the plain class', async ({ scene }) => {
    const { client, proxy, attemptsMs } = await stage(scene, library, (WebSocket) => WebSocket)
    proxy.blackHole()
    let hasAnswer = false
    client.ask('second').then(
      () => (hasAnswer = true),
      () => {},
    )
    // Nothing happens in that time, so there is nothing to wait for but the time.
    await sleep(3 * BOUND_MS)
    expect(attemptsMs).toHaveLength(1)
    expect(hasAnswer).toBe(false)
  })
})
