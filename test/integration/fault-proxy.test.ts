import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { virtualClock, type Direction } from '../../src/testing/index.ts'
import {
  QUIET_MS,
  quiet,
  settled,
  cleanUps,
  until,
  Peer,
  tcpServer,
  tcpClient,
  setUp,
  newConnectionWorks,
  setUpWebSockets,
  numbered,
} from './fault-proxy-lab.ts'

describe('a fault proxy without faults', () => {
  it('passes bytes on in both directions and counts connections', async () => {
    const { server, proxy, client, accepted } = await setUp()
    client.send('question')
    await accepted.receives('question')
    accepted.send('answer')
    await client.receives('answer')
    expect(proxy).toMatchObject({ host: '127.0.0.1', url: `ws://127.0.0.1:${proxy.port}`, accepted: 1, connections: 1 })
    expect(proxy.state).toEqual({
      clientToServer: 'open',
      serverToClient: 'open',
      delayMs: 0,
      jitterMs: 0,
      isRefusing: false,
    })
    await newConnectionWorks({ server, proxy })
    expect(proxy).toMatchObject({ accepted: 2, connections: 2, refused: 0 })
  })

  it('passes a close on behind the bytes, and leaves the other direction open', async () => {
    const { proxy, client, accepted } = await setUp()
    client.socket.end('last words')
    await accepted.ends()
    expect(accepted.text).toBe('last words')
    accepted.socket.end('reply')
    await client.closes()
    expect(client.seen).toMatchObject({ text: 'reply', isEnded: true, errorCode: undefined })
    await accepted.closes()
    expect(proxy.connections).toBe(0)
  })

  it.each(['client', 'server'] as const)('passes a reset by the %s on', async (side) => {
    const { client, accepted } = await setUp()
    const [from, to] = side === 'client' ? [client, accepted] : [accepted, client]
    from.socket.resetAndDestroy()
    await to.closes()
    expect(to.errorCode).toBe('ECONNRESET')
  })

  it('makes a sender wait for a receiver that does not read', async () => {
    const { client, accepted } = await setUp()
    const bytes = numbered(24 * 1_048_576)
    accepted.socket.pause()
    client.socket.end(bytes)
    await quiet()
    expect(client.socket.writableLength).toBeGreaterThan(0)
    accepted.socket.resume()
    await accepted.ends()
    expect(accepted.bytes.equals(bytes)).toBe(true)
  })

  it('survives clients that reset while it connects to the server', async () => {
    const { server, proxy } = await setUp()
    for (let round = 0; round < 50; round++) {
      const client = await tcpClient(proxy.port)
      if (round % 2) client.send('x')
      client.socket.resetAndDestroy()
    }
    await until(
      () => proxy.connections === 1,
      () => proxy,
    )
    await newConnectionWorks({ server, proxy })
    expect(proxy.connections).toBe(2)
  })

  it('resets a client whose server cannot be reached', async () => {
    const { server, proxy } = await setUp()
    const unused = await tcpServer()
    await cleanUps.pop()!()
    proxy.retarget({ port: unused.port })
    const client = await tcpClient(proxy.port)
    await client.closes()
    expect(client.errorCode).toBe('ECONNRESET')
    proxy.retarget({ host: 'localhost', port: server.port })
    await newConnectionWorks({ server, proxy })
  })

  it('leads new connections to the server of retarget, and leaves current ones where they are', async () => {
    const { proxy, client, accepted } = await setUp()
    const other = await tcpServer()
    proxy.retarget(other.port)
    await newConnectionWorks({ server: other, proxy })
    client.send('still here')
    await accepted.receives('still here')
    expect(proxy).toMatchObject({ accepted: 2, connections: 2 })
  })
})

describe('blackHole', () => {
  it('leaves WebSockets OPEN on both sides, without an answer and without a queue', async () => {
    const { server, proxy, closeCodes, connectWebSocket } = await setUpWebSockets()
    const { socket, messages, codes, opens, echoes } = connectWebSocket()
    await opens()
    await echoes('before')
    const [accepted] = server.clients
    proxy.blackHole()
    expect(proxy.state).toMatchObject({ clientToServer: 'blackHole', serverToClient: 'blackHole' })
    for (const end of [socket, accepted!]) {
      end.on('pong', () => expect.unreachable())
      end.ping()
      // More than all the buffers of the kernels on the way.
      for (let index = 0; index < 12; index++) end.send(Buffer.alloc(1_048_576))
    }
    await until(
      () => socket.bufferedAmount === 0 && accepted!.bufferedAmount === 0,
      () => [socket.bufferedAmount, accepted!.bufferedAmount],
    )
    await quiet()
    expect([socket.readyState, accepted!.readyState, messages, codes, closeCodes]).toEqual([1, 1, ['before'], [], []])

    proxy.heal()
    const next = connectWebSocket()
    await next.opens()
    await next.echoes('after')
    socket.send('into the void')
    accepted!.send('into the void')
    await quiet()
    expect([socket.readyState, accepted!.readyState, messages, codes, closeCodes]).toEqual([1, 1, ['before'], [], []])
    await next.echoes('still')
  })

  it('lets an upgrade hang for ever, unseen by the server, and works for the next one after heal', async () => {
    const { server, proxy, connectWebSocket } = await setUpWebSockets()
    let upgrades = 0
    server.on('connection', () => upgrades++)
    proxy.blackHole()
    const lost = connectWebSocket()
    await until(
      () => proxy.accepted === 1,
      () => proxy,
    )
    await quiet()
    proxy.heal()
    const next = connectWebSocket()
    await next.opens()
    await next.echoes('works')
    await quiet()
    expect([lost.socket.readyState, lost.codes, lost.errors, upgrades]).toEqual([WebSocket.CONNECTING, [], [], 1])
  })

  it.each([
    ['clientToServer', 'serverToClient'],
    ['serverToClient', 'clientToServer'],
  ] as [Direction, Direction][])(
    '%s swallows only that direction, for ever on a connection that lost bytes',
    async (lossy, intact) => {
      const { server, proxy, client, accepted } = await setUp()
      const [sender, receiver] = lossy === 'clientToServer' ? [client, accepted] : [accepted, client]
      proxy.blackHole(lossy)
      expect(proxy.state).toMatchObject({ [lossy]: 'blackHole', [intact]: 'open' })
      sender.send('lost')
      receiver.send('one')
      await sender.receives('one')
      await quiet()
      proxy.heal()
      sender.send('lost too')
      receiver.send('two')
      await sender.receives('onetwo')
      await newConnectionWorks({ server, proxy })
      await quiet()
      expect(receiver.seen).toEqual({ text: '', isEnded: false, isClosed: false, errorCode: undefined })
    },
  )

  it('adds up from two calls for one direction each', async () => {
    const { server, proxy, client, accepted } = await setUp()
    proxy.blackHole('clientToServer')
    proxy.blackHole('serverToClient')
    client.send('lost')
    accepted.send('lost')
    await quiet()
    expect([client.text, accepted.text]).toEqual(['', ''])
    expect(proxy.state).toMatchObject({ clientToServer: 'blackHole', serverToClient: 'blackHole' })
    proxy.heal()
    await newConnectionWorks({ server, proxy })
  })

  it('leaves a connection that lost nothing as it was', async () => {
    const { proxy, client, accepted } = await setUp()
    client.send('before ')
    await accepted.receives('before ')
    proxy.blackHole()
    await quiet()
    proxy.heal()
    client.send('after')
    await accepted.receives('before after')
    accepted.send('answer')
    await client.receives('answer')
    expect(proxy.accepted).toBe(1)
  })

  it('connects to the server after heal for clients that connected meanwhile, if they said nothing', async () => {
    const { server, proxy } = await setUp()
    proxy.blackHole('clientToServer')
    const silent = await tcpClient(proxy.port)
    const talking = await tcpClient(proxy.port)
    talking.send('lost')
    await quiet()
    expect(server.peers.length).toBe(1)
    proxy.heal()
    const accepted = await server.accepts(2)
    silent.send('hello')
    await accepted.receives('hello')
    await quiet()
    expect(server.peers.length).toBe(2)
    expect(talking.isClosed).toBe(false)
  })

  it('serverToClient lets a new connection reach the server, which is never heard', async () => {
    const { server, proxy } = await setUp()
    proxy.blackHole('serverToClient')
    const client = await tcpClient(proxy.port)
    client.send('hello')
    const accepted = await server.accepts(2)
    await accepted.receives('hello')
    accepted.send('welcome')
    await quiet()
    proxy.heal()
    await newConnectionWorks({ server, proxy })
    await quiet()
    expect(client.seen).toEqual({ text: '', isEnded: false, isClosed: false, errorCode: undefined })
  })

  it.each([
    ['client', 'closes'],
    ['client', 'resets'],
    ['server', 'closes'],
    ['server', 'resets'],
  ] as const)('keeps a ghost when the %s %s, until the proxy closes', async (side, how) => {
    const { server, proxy, client, accepted } = await setUp()
    const [leaver, ghost] = side === 'client' ? [client, accepted] : [accepted, client]
    proxy.blackHole()
    if (how === 'closes') leaver.socket.destroy()
    else leaver.socket.resetAndDestroy()
    await leaver.closes()
    // What the ghost says to nobody does not come back as an error either.
    for (const text of ['anybody', 'there']) {
      ghost.send(text)
      await quiet()
    }
    expect(ghost.seen).toEqual({ text: '', isEnded: false, isClosed: false, errorCode: undefined })
    if (side === 'client') {
      await until(
        () => proxy.connections === 0,
        () => proxy,
      )
    }
    proxy.heal()
    await newConnectionWorks({ server, proxy })
    ghost.send('now?')
    await quiet()
    expect(ghost.seen).toEqual({ text: '', isEnded: false, isClosed: false, errorCode: undefined })
    await proxy.close()
    await ghost.ends()
  })

  it('does not tell a client of a server that cannot be reached, if the answer is lost', async () => {
    const { proxy } = await setUp()
    const unused = await tcpServer()
    await cleanUps.pop()!()
    proxy.blackHole('serverToClient')
    proxy.retarget(unused.port)
    const client = await tcpClient(proxy.port)
    client.send('hello')
    await quiet()
    expect(client.isClosed).toBe(false)
    proxy.heal()
    const next = await tcpClient(proxy.port)
    await next.closes()
    await quiet()
    expect(client.isClosed).toBe(false)
  })

  it('swallows what is under way in a delay', async () => {
    const { server, proxy, client, accepted } = await setUp()
    client.send('before ')
    await accepted.receives('before ')
    const clock = virtualClock()
    cleanUps.push(clock.install())
    proxy.delay(1_000)
    client.send('under way')
    await settled()
    expect(clock.pending).toBe(1)
    proxy.blackHole('clientToServer')
    expect(clock.pending).toBe(0)
    proxy.heal()
    client.send('after')
    await newConnectionWorks({ server, proxy })
    clock.advance(10_000)
    await quiet()
    expect(accepted.text).toBe('before ')
  })
})

describe('stall', () => {
  it.each(['clientToServer', 'serverToClient', 'both'] as Direction[])(
    '%s holds the sender up, and after heal everything arrives in order',
    async (direction) => {
      const { proxy, client, accepted } = await setUp()
      const pairs: [Peer, Peer][] = []
      if (direction !== 'serverToClient') pairs.push([client, accepted])
      if (direction !== 'clientToServer') pairs.push([accepted, client])
      // More than all the buffers of the kernels on the way.
      const bytes = numbered(16 * 1_048_576)
      proxy.stall(direction)
      for (const [sender] of pairs) sender.socket.write(bytes)
      await quiet()
      for (const [sender, receiver] of pairs) {
        expect(sender.socket.writableLength).toBeGreaterThan(0)
        expect(receiver.chunks).toEqual([])
      }
      if (direction !== 'both') {
        pairs[0]![1].send('the other direction works')
        await pairs[0]![0].receives('the other direction works')
      }
      proxy.heal()
      for (const [, receiver] of pairs) {
        await until(
          () => receiver.socket.bytesRead >= bytes.length,
          () => receiver.socket.bytesRead,
        )
        expect(receiver.bytes.equals(bytes)).toBe(true)
      }
    },
  )

  it('keeps a close and its place behind the bytes', async () => {
    const { proxy, client, accepted } = await setUp()
    proxy.stall()
    client.socket.end('last words')
    await quiet()
    expect(accepted.seen).toMatchObject({ text: '', isEnded: false })
    expect(proxy.connections).toBe(1)
    proxy.heal()
    await accepted.ends()
    expect(accepted.text).toBe('last words')
  })

  it('keeps a new connection waiting', async () => {
    const { server, proxy } = await setUp()
    proxy.stall()
    const client = await tcpClient(proxy.port)
    client.send('hello')
    await quiet()
    expect(server.peers.length).toBe(1)
    proxy.heal()
    await (await server.accepts(2)).receives('hello')
  })

  it('loses what it holds when a black hole takes its place', async () => {
    const { server, proxy, client, accepted } = await setUp()
    proxy.stall()
    client.send('lost')
    await quiet()
    proxy.blackHole()
    await quiet()
    proxy.heal()
    client.send('never')
    await newConnectionWorks({ server, proxy })
    await quiet()
    expect(accepted.text).toBe('')
  })
})

describe('delay', () => {
  it('delivers later, in order, the close last', async () => {
    const { proxy, client, accepted } = await setUp()
    const delayMs = 100
    proxy.delay(delayMs, 50)
    expect(proxy.state).toMatchObject({ delayMs, jitterMs: 50 })
    const startMs = performance.now()
    let expected = ''
    for (let index = 0; index < 40; index++) {
      expected += `${index},`
      client.send(`${index},`)
      accepted.send(`${index},`)
      await sleep(1)
    }
    client.socket.end()
    await accepted.ends()
    expect(accepted.text).toBe(expected)
    await client.receives(expected)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(delayMs)
    expect(client.isEnded).toBe(false)
  })

  it('does not deliver a chunk before its time, in either direction', async () => {
    const { proxy, client, accepted } = await setUp()
    proxy.delay(120)
    const startMs = performance.now()
    client.send('question')
    await accepted.receives('question')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(119)
    accepted.send('answer')
    await client.receives('answer')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(238)
  })

  it('delivers at its time, which can be that of a virtual clock', async () => {
    const { proxy, client, accepted } = await setUp()
    const clock = virtualClock()
    cleanUps.push(clock.install())
    proxy.delay(1_000)
    accepted.send('later')
    await settled()
    clock.advance(999)
    await quiet()
    expect(client.text).toBe('')
    clock.advance(1)
    await client.receives('later')
  })

  it.each(['delay(0)', 'heal()'])('ends with %s, and nothing overtakes what is under way', async (how) => {
    const { proxy, client, accepted } = await setUp()
    proxy.delay(QUIET_MS)
    client.send('slow ')
    await settled()
    if (how === 'heal()') proxy.heal()
    else proxy.delay(0)
    client.send('quick')
    await accepted.receives('slow quick')
    expect(proxy.state).toMatchObject({ delayMs: 0, jitterMs: 0 })
  })

  it('makes a sender wait that has too much under way, and loses nothing', async () => {
    const { client, accepted, proxy } = await setUp()
    const clock = virtualClock()
    cleanUps.push(clock.install())
    const bytes = numbered(24 * 1_048_576)
    proxy.delay(1_000)
    client.socket.end(bytes)
    await quiet()
    expect(client.socket.writableLength).toBeGreaterThan(0)
    await until(
      () => {
        clock.advance(1_000)
        return accepted.isEnded
      },
      () => accepted.socket.bytesRead,
    )
    expect(accepted.bytes.equals(bytes)).toBe(true)
  })

  it('delays a reset', async () => {
    const { proxy, client, accepted } = await setUp()
    proxy.delay(100)
    const startMs = performance.now()
    client.socket.resetAndDestroy()
    await accepted.closes()
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(99)
    expect(accepted.errorCode).toBe('ECONNRESET')
  })
})
