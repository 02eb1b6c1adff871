import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  faultProxy,
  randomFaults,
  seededRandom,
  virtualClock,
  type Direction,
  type Fault,
  type FaultProxy,
  type ScheduledFault,
} from '../../src/testing/index.ts'

const optionError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(message) })

/** How long a test looks at something that must not happen. What must happen is awaited, however long it takes. */
const QUIET_MS = 100
const quiet = () => sleep(QUIET_MS)

/** Lets the event loop, which the proxy is in too, deal with all that the kernel has by now. */
async function settled(): Promise<void> {
  for (let count = 0; count < 10; count++) await turn()
}

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  while (cleanUps.length) await cleanUps.pop()!()
})

/** Resolves as soon as the condition holds; fails with what was seen if it never does. */
async function until(condition: () => boolean, seen: () => unknown): Promise<void> {
  for (let count = 0; !condition(); count++) {
    if (count > 10_000) throw new Error(`Waited in vain, saw ${JSON.stringify(seen())}`)
    await sleep(2)
  }
}

/** One end of a TCP connection, and all that it has seen. */
class Peer {
  readonly socket: Socket
  readonly chunks: Buffer[] = []
  isEnded = false
  isClosed = false
  errorCode: string | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk))
    socket.on('end', () => (this.isEnded = true))
    socket.on('error', (error: NodeJS.ErrnoException) => (this.errorCode = error.code))
    socket.on('close', () => (this.isClosed = true))
    cleanUps.push(() => socket.destroy())
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return this.bytes.toString()
  }

  get seen() {
    const { text, isEnded, isClosed, errorCode } = this
    return { text: text.slice(-200), isEnded, isClosed, errorCode }
  }

  send(text: string): void {
    this.socket.write(text)
  }

  async receives(text: string): Promise<void> {
    await until(
      () => this.text === text,
      () => this.seen,
    )
  }

  async closes(): Promise<void> {
    await until(
      () => this.isClosed,
      () => this.seen,
    )
  }

  async ends(): Promise<void> {
    await until(
      () => this.isEnded,
      () => this.seen,
    )
  }
}

/** A TCP server that keeps the peers it has accepted. */
async function tcpServer(onPeer?: (peer: Peer) => void) {
  const peers: Peer[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(new Peer(socket))
    onPeer?.(peers.at(-1)!)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    for (const { socket } of peers) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return {
    peers,
    port: (server.address() as AddressInfo).port,
    async accepts(count: number): Promise<Peer> {
      await until(
        () => peers.length >= count,
        () => ({ accepted: peers.length }),
      )
      return peers[count - 1]!
    },
  }
}

async function proxyTo(target: number): Promise<FaultProxy> {
  const proxy = await faultProxy({ target })
  cleanUps.push(() => proxy.close())
  return proxy
}

async function tcpClient(port: number): Promise<Peer> {
  const peer = new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
  await new Promise<void>((resolve) => void peer.socket.once('connect', resolve))
  return peer
}

/** A server, a proxy in front of it, and a connection through it. */
async function setUp() {
  const server = await tcpServer()
  const proxy = await proxyTo(server.port)
  const client = await tcpClient(proxy.port)
  const accepted = await server.accepts(1)
  return { server, proxy, client, accepted }
}

/** Shows that the proxy still works, and that the server still accepts. */
async function newConnectionWorks({
  server,
  proxy,
}: {
  server: Awaited<ReturnType<typeof tcpServer>>
  proxy: FaultProxy
}) {
  const count = server.peers.length
  const client = await tcpClient(proxy.port)
  client.send('hello')
  const accepted = await server.accepts(count + 1)
  await accepted.receives('hello')
  accepted.send('welcome')
  await client.receives('welcome')
  return { client, accepted }
}

/** An echoing WebSocket server, a proxy in front of it, and how to connect through it. */
async function setUpWebSockets() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise<void>((resolve) => void server.once('listening', resolve))
  const closeCodes: number[] = []
  server.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)))
    socket.on('error', () => {})
    socket.on('close', (code) => void closeCodes.push(code))
  })
  cleanUps.push(() => {
    for (const client of server.clients) client.terminate()
    return new Promise((resolve) => server.close(resolve))
  })
  const proxy = await proxyTo((server.address() as AddressInfo).port)
  const connectWebSocket = () => {
    const socket = new WebSocket(proxy.url)
    const messages: string[] = []
    const codes: number[] = []
    const errors: Error[] = []
    socket.on('message', (data) => void messages.push(String(data)))
    socket.on('close', (code) => void codes.push(code))
    socket.on('error', (error) => void errors.push(error))
    cleanUps.push(() => socket.terminate())
    const seen = () => ({ messages, codes, errors: errors.map(String), readyState: socket.readyState })
    return {
      socket,
      messages,
      codes,
      errors,
      opens: () => until(() => socket.readyState === WebSocket.OPEN, seen),
      closes: () => until(() => codes.length > 0, seen),
      echoes: async (text: string) => {
        socket.send(text)
        await until(() => messages.at(-1) === text, seen)
      },
    }
  }
  return { server, proxy, closeCodes, connectWebSocket }
}

/** Bytes in which every position can be told from its neighbours, so that a hole or a swap shows. */
function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index + 4 <= length; index += 4) bytes.writeUInt32BE(index, index)
  return bytes
}

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
