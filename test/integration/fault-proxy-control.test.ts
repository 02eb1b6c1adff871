import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { faultProxy, randomFaults, seededRandom, type Fault, type ScheduledFault } from '../../src/testing/index.ts'
import {
  optionError,
  quiet,
  settled,
  until,
  Peer,
  tcpServer,
  proxyTo,
  tcpClient,
  setUp,
  newConnectionWorks,
  setUpWebSockets,
  numbered,
} from './fault-proxy-lab.ts'

describe('reset, end and refuse', () => {
  it('reset breaks every connection on both sides', async () => {
    const { server, proxy, client, accepted } = await setUp()
    const second = await newConnectionWorks({ server, proxy })
    proxy.reset()
    expect(proxy.connections).toBe(0)
    for (const peer of [client, accepted, second.client, second.accepted]) {
      await peer.closes()
      expect(peer.errorCode).toBe('ECONNRESET')
    }
    await newConnectionWorks({ server, proxy })
  })

  it('reset closes WebSockets with 1006, also in a black hole', async () => {
    const { proxy, closeCodes, connectWebSocket } = await setUpWebSockets()
    const { opens, closes, codes } = connectWebSocket()
    await opens()
    proxy.blackHole()
    proxy.reset()
    await closes()
    await until(
      () => closeCodes.length > 0,
      () => closeCodes,
    )
    expect([codes, closeCodes]).toEqual([[1006], [1006]])
  })

  it('end closes both sides without an error, behind what is under way', async () => {
    const { server, proxy, client, accepted } = await setUp()
    proxy.delay(3_600_000)
    client.send('under way')
    await settled()
    proxy.end()
    for (const peer of [client, accepted]) {
      await peer.ends()
      peer.socket.end()
      await peer.closes()
      expect(peer.errorCode).toBeUndefined()
    }
    expect(accepted.text).toBe('under way')
    await until(
      () => proxy.connections === 0,
      () => proxy,
    )
    proxy.heal()
    await newConnectionWorks({ server, proxy })
  })

  it('end reaches a ghost', async () => {
    const { proxy, client, accepted } = await setUp()
    proxy.blackHole()
    client.socket.resetAndDestroy()
    await client.closes()
    await quiet()
    expect(accepted.isEnded).toBe(false)
    proxy.end()
    await accepted.ends()
  })

  it('end closes WebSockets with 1006', async () => {
    const { proxy, closeCodes, connectWebSocket } = await setUpWebSockets()
    const { opens, closes, codes } = connectWebSocket()
    await opens()
    proxy.end()
    await closes()
    await until(
      () => closeCodes.length > 0,
      () => closeCodes,
    )
    expect([codes, closeCodes]).toEqual([[1006], [1006]])
  })

  it('refuse resets new connections and leaves current ones, until heal', async () => {
    const { server, proxy, client, accepted } = await setUp()
    proxy.refuse()
    expect(proxy.state.isRefusing).toBe(true)
    const refused = new Peer(connect({ port: proxy.port, host: '127.0.0.1' }))
    await refused.closes()
    expect(refused.errorCode).toBe('ECONNRESET')
    client.send('still here')
    await accepted.receives('still here')
    expect(proxy).toMatchObject({ accepted: 1, refused: 1, connections: 1 })
    expect(server.peers.length).toBe(1)
    proxy.heal()
    await newConnectionWorks({ server, proxy })
  })

  it('refuse fails a WebSocket before it opens', async () => {
    const { proxy, connectWebSocket } = await setUpWebSockets()
    proxy.refuse()
    const { closes, codes, errors } = connectWebSocket()
    await closes()
    expect(codes).toEqual([1006])
    expect(errors[0]).toBeInstanceOf(Error)
  })
})

describe('events and schedules', () => {
  it('reports faults with their defaults, and connections, until unsubscribed', async () => {
    const { server, proxy } = await setUp()
    const seen: unknown[] = []
    const unsubscribe = [
      proxy.on('fault', ({ atMs, fault }) => void seen.push(fault, atMs >= 0)),
      proxy.on('open', ({ connection }) => void seen.push(`open ${connection}`)),
      proxy.on('close', ({ connection }) => void seen.push(`close ${connection}`)),
    ]
    proxy.stall()
    proxy.apply({ kind: 'delay', ms: 5 })
    proxy.heal()
    const { client } = await newConnectionWorks({ server, proxy })
    client.socket.end()
    await until(
      () => proxy.connections === 1,
      () => proxy,
    )
    for (const off of unsubscribe) off()
    proxy.reset()
    expect(seen).toEqual([
      { kind: 'stall', direction: 'both' },
      true,
      { kind: 'delay', ms: 5, jitterMs: 0 },
      true,
      { kind: 'heal' },
      true,
      'open 2',
      'close 2',
    ])
  })

  it('plays a schedule by its times, whatever its order', async () => {
    const { proxy } = await setUp()
    const startMs = performance.now()
    const seen: { fault: Fault; afterMs: number }[] = []
    proxy.on('fault', ({ fault }) => void seen.push({ fault, afterMs: performance.now() - startMs }))
    await proxy.play([
      { atMs: 60, fault: { kind: 'heal' } },
      { atMs: 0, fault: { kind: 'refuse' } },
      { atMs: 30, fault: { kind: 'blackHole', direction: 'clientToServer' } },
    ])
    expect(seen.map(({ fault }) => fault)).toEqual([
      { kind: 'refuse' },
      { kind: 'blackHole', direction: 'clientToServer' },
      { kind: 'heal' },
    ])
    expect(seen[1]!.afterMs).toBeGreaterThanOrEqual(29)
    expect(seen[2]!.afterMs).toBeGreaterThanOrEqual(59)
    expect(proxy.state).toMatchObject({ clientToServer: 'open', isRefusing: false })
  })

  it('stops a schedule when its signal aborts', async () => {
    const { proxy } = await setUp()
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    const schedule: ScheduledFault[] = [
      { atMs: 0, fault: { kind: 'refuse' } },
      { atMs: 3_600_000, fault: { kind: 'heal' } },
    ]
    const played = proxy.play(schedule, { signal })
    await until(
      () => proxy.state.isRefusing,
      () => proxy.state,
    )
    controller.abort(reason)
    await expect(played).rejects.toBe(reason)
    expect(proxy.state.isRefusing).toBe(true)
    proxy.heal()
    await expect(proxy.play(schedule, { signal })).rejects.toBe(reason)
    expect(proxy.state.isRefusing).toBe(false)
  })

  it('ends a schedule when it closes', async () => {
    const { proxy } = await setUp()
    const played = proxy.play([{ atMs: 3_600_000, fault: { kind: 'reset' } }])
    await proxy.close()
    await expect(played).resolves.toBeUndefined()
  })

  const seed = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
  const bytes = numbered(4 * 1_048_576)

  /** Sends all bytes, piece by piece. */
  async function feed({ socket }: Peer): Promise<void> {
    const random = seededRandom(seed)
    for (let offset = 0; offset < bytes.length && socket.writable;) {
      const size = Math.ceil(random() * 65_536)
      socket.write(bytes.subarray(offset, offset + size))
      offset += size
      await sleep(random() * 8)
    }
  }

  it(`delivers a prefix of what was sent under random faults (repeat with FAULT_SEED=${seed})`, async () => {
    const server = await tcpServer((peer) => void feed(peer))
    const proxy = await proxyTo(server.port)
    const clients: Peer[] = []
    const enter = (): void => {
      const client = new Peer(connect({ port: proxy.port, host: '127.0.0.1' }))
      clients.push(client)
      void feed(client)
    }
    for (let count = 0; count < 4; count++) enter()
    proxy.on('fault', ({ fault }) => {
      if (fault.kind === 'heal' && clients.length < 12) enter()
    })
    await proxy.play(randomFaults({ seed, durationMs: 2_000, meanGapMs: 60, maxFaultMs: 200 }))
    for (const side of [server.peers, clients]) {
      expect(
        side.some(({ chunks }) => chunks.length > 0),
        `seed ${seed}`,
      ).toBe(true)
      for (const peer of side) {
        const got = peer.bytes
        expect(got.equals(bytes.subarray(0, got.length)), `seed ${seed}, after ${got.length} bytes`).toBe(true)
      }
    }
    expect(proxy.state).toMatchObject({ clientToServer: 'open', serverToClient: 'open', delayMs: 0, isRefusing: false })
    const next = await tcpClient(proxy.port)
    next.send('works')
    const isNext = ({ socket, chunks }: Peer): boolean => socket.bytesRead === 5 && String(chunks[0]) === 'works'
    await until(
      () => server.peers.some(isNext),
      () => server.peers.map(({ socket }) => socket.bytesRead),
    )
  })

  it(`loses nothing under random stalls and delays (repeat with FAULT_SEED=${seed})`, async () => {
    const { proxy, client, accepted } = await setUp()
    void feed(client)
    void feed(accepted)
    await proxy.play(
      randomFaults({ seed, durationMs: 1_000, meanGapMs: 30, maxFaultMs: 100, kinds: ['stall', 'delay'] }),
    )
    for (const peer of [client, accepted]) {
      await until(
        () => peer.socket.bytesRead >= bytes.length,
        () => `seed ${seed}, ${peer.socket.bytesRead} bytes`,
      )
      expect(peer.bytes.equals(bytes), `seed ${seed}`).toBe(true)
    }
  })
})

describe('options and close', () => {
  it('refuses options out of their ranges', async () => {
    const { proxy } = await setUp()
    const cases: [object, RegExp][] = [
      [{}, /^Expected `target` to be an integer from 1 to 65535, got undefined\.$/],
      [{ target: 0 }, /`target`/],
      [{ target: { port: 70_000 } }, /^Expected `target\.port` to be an integer from 1 to 65535, got 70000\.$/],
      [{ target: { port: 1, host: '' } }, /`target\.host`/],
      [{ target: 1, port: -1 }, /^Expected `port` to be an integer from 0 to 65535, got -1\.$/],
      [{ target: 1, port: 1.5 }, /`port`/],
      [{ target: 1, host: 5 }, /`host`/],
      [{ target: 1, prot: 5 }, /^Unknown option `prot`\.$/],
    ]
    for (const [options, message] of cases) {
      await expect(faultProxy(options as never)).rejects.toEqual(optionError(message))
    }
    expect(() => proxy.delay(-1)).toThrow(optionError(/^Expected `ms` to be a number from 0 to 2147483647, got -1\.$/))
    expect(() => proxy.delay(1, NaN)).toThrow(optionError(/`jitterMs`/))
    expect(() => proxy.blackHole('up' as never)).toThrow(
      optionError(/^Expected `direction` to be one of both, clientToServer, serverToClient, got up\.$/),
    )
    expect(() => proxy.stall('up' as never)).toThrow(optionError(/`direction`/))
    expect(() => proxy.apply({ kind: 'flood' } as never)).toThrow(optionError(/`fault\.kind`/))
    expect(() => proxy.retarget(-1)).toThrow(optionError(/`target`/))
    expect(() => proxy.on('fire' as never, () => {})).toThrow(optionError(/`type`/))
    const bad: ScheduledFault[] = [
      { atMs: 0, fault: { kind: 'refuse' } },
      { atMs: -1, fault: { kind: 'heal' } },
    ]
    await expect(proxy.play(bad)).rejects.toEqual(optionError(/`schedule\.atMs`/))
    expect(proxy.state).toMatchObject({ clientToServer: 'open', serverToClient: 'open', delayMs: 0, isRefusing: false })
  })

  it('rejects with the error of the platform if it cannot listen', async () => {
    const { proxy } = await setUp()
    await expect(faultProxy({ target: 1, port: proxy.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('closes everything under every fault and leaves no handle', async () => {
    const handles = () => process.getActiveResourcesInfo().filter((name) => /^(TCP|Timeout)/.test(name))
    const server = await tcpServer()
    await until(() => handles().length === 1, handles)
    const faults: Fault[] = [
      { kind: 'heal' },
      { kind: 'blackHole' },
      { kind: 'stall' },
      { kind: 'delay', ms: 3_600_000 },
      { kind: 'refuse' },
    ]
    for (const fault of faults) {
      const proxy = await faultProxy({ target: server.port })
      const clients = [await tcpClient(proxy.port), await tcpClient(proxy.port)]
      await server.accepts(server.peers.length)
      proxy.apply(fault)
      for (const client of clients) client.send('x')
      clients.push(new Peer(connect({ port: proxy.port, host: '127.0.0.1' })))
      void proxy.play([{ atMs: 3_600_000, fault: { kind: 'reset' } }])
      await quiet()
      const closed = proxy.close()
      expect(proxy.close()).toBe(closed)
      await closed
      expect(proxy.connections).toBe(0)
      for (const client of clients) {
        client.socket.destroy()
        await client.closes()
      }
      for (const peer of server.peers) {
        peer.socket.destroy()
        await peer.closes()
      }
      const refused = new Peer(connect({ port: proxy.port, host: '127.0.0.1' }))
      await refused.closes()
      expect(refused.errorCode).toBe('ECONNREFUSED')
    }
    await until(() => handles().length === 1, handles)
    expect(handles()).toEqual(['TCPServerWrap'])
  })

  it('closes at the end of its scope', async () => {
    const server = await tcpServer()
    const proxy = await faultProxy({ target: server.port })
    await proxy[Symbol.asyncDispose]()
    const refused = new Peer(connect({ port: proxy.port, host: '127.0.0.1' }))
    await refused.closes()
    expect(refused.errorCode).toBe('ECONNREFUSED')
  })
})
