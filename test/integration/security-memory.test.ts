import type { Socket } from 'node:net'
import { expect } from 'vitest'
import { startChild, type Child } from './child.ts'
import type { MemoryReport } from './fixtures/victim-process.ts'
import { Bystander } from './hostile/bystander.ts'
import { megabytes } from './hostile/fuzz-run.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { maskedFrame, Opcode, upgradedSocket } from './hostile/raw-socket.ts'
import { decode } from '../../src/protocol/decode.ts'
import { encodeHelloEntry } from '../../src/protocol/encode.ts'
import { PROTOCOL } from '../../src/protocol/limits.ts'
import { test, type Scene } from './scene.ts'

const MIB = 1_048_576

/** A server in a process of its own, a client that must not notice anything, and what the memory has grown by. */
class Victim {
  readonly child: Child
  readonly port: number
  readonly bystander: Bystander
  #before!: MemoryReport

  constructor(child: Child, port: number, bystander: Bystander) {
    this.child = child
    this.port = port
    this.bystander = bystander
  }

  static async start(scene: Scene, options: object = {}): Promise<Victim> {
    const child = await startChild(scene, 'victim-server-child', options, { execArgv: ['--expose-gc'] })
    const port = (await child.ready) as number
    const bystander = new Bystander(`ws://127.0.0.1:${port}/`, 'calm')
    scene.atEnd(() => bystander.session.close())
    const victim = new Victim(child, port, bystander)
    for (let trip = 0; trip < 200; trip++) await bystander.roundTrip()
    victim.#before = await child.ask('memory')
    return victim
  }

  /** Bytes on the heap and in buffers, more than at the beginning. */
  async growth(what: string): Promise<number> {
    const { heap, external, rss } = (await this.child.ask('memory')) as MemoryReport
    const before = this.#before
    const growth = heap - before.heap + external - before.external
    console.info(`${what}: ${megabytes(growth)} more, the process ${megabytes(rss - before.rss)}`)
    return growth
  }

  /** Waits for the server to be so; the bystander's messages go there and back meanwhile. */
  async until(isSo: (stats: any) => boolean): Promise<void> {
    const endsAt = performance.now() + 30_000
    for (let stats; !isSo((stats = await this.child.ask('stats'))); await this.bystander.roundTrip())
      if (performance.now() > endsAt) throw new Error(`It never was so: ${JSON.stringify(stats)}`)
  }

  /** It has noticed nothing. */
  async isCalm(): Promise<void> {
    await this.bystander.roundTrip()
    expect(this.bystander.states).toEqual(['connecting', 'open'])
  }
}

/** Resolves when all that was written has left, or the connection is gone. */
function flushed(socket: Socket, ...chunks: Uint8Array[]): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    socket.once('close', () => resolve())
    socket.cork()
    for (const chunk of chunks.slice(0, -1)) socket.write(chunk)
    socket.write(chunks.at(-1)!, () => resolve())
    socket.uncork()
  })
}

const times = (count: number, frame: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => frame))

test('floods of ACK, PONG and PING cost no memory, also if their answers are not read', async ({ scene }) => {
  const victim = await Victim.start(scene)
  const reader = await upgradedSocket(victim.port)
  reader.resume()
  const mute = await upgradedSocket(victim.port)
  mute.pause()
  for (const socket of [reader, mute]) {
    for (const frame of ['A0', 'Q', 'P']) {
      const flood = times(10_000, maskedFrame(Opcode.text, frame))
      for (let round = 0; round < 10; round++) await flushed(socket, flood)
    }
    await victim.isCalm()
  }
  // Everything has been looked at: what comes behind it has ended the connection.
  reader.write(maskedFrame(Opcode.text, 'x'))
  mute.write(maskedFrame(Opcode.text, 'x'))
  await victim.until(({ violations }) => violations === 2)
  expect(await victim.growth('600,000 small frames')).toBeLessThan(2 * MIB)
  for (const socket of [reader, mute]) socket.destroy()
})

test('a flood of PING behind a full buffer, where every answer would wait, costs no memory', async ({ scene }) => {
  const victim = await Victim.start(scene)
  const window = { messages: 65_536, bytes: 67_108_864 }
  const socket = await upgradedSocket(victim.port, [PROTOCOL, encodeHelloEntry({ window })])
  socket.pause()
  const session = ((await victim.child.ask('sessions')) as string[]).at(-1)!
  // More than the kernels of both ends take.
  await victim.child.ask({ session, count: 9_000, bytes: 1_000 })
  await victim.isCalm()
  const before = await victim.growth('a full buffer')
  const flood = times(10_000, maskedFrame(Opcode.text, 'P'))
  for (let round = 0; round < 10; round++) await flushed(socket, flood)
  socket.write(maskedFrame(Opcode.text, 'x'))
  await victim.until(({ violations }) => violations === 1)
  expect((await victim.growth('and 100,000 PING')) - before).toBeLessThan(1 * MIB)
  socket.destroy()
})

test('a flood of WebSocket pings whose answers are not read costs no memory, at most its connection', async ({
  scene,
}) => {
  const victim = await Victim.start(scene)
  const socket = await upgradedSocket(victim.port)
  socket.pause()
  const flood = times(5_000, maskedFrame(Opcode.ping, 'x'.repeat(100)))
  for (let round = 0; round < 40 && !socket.destroyed; round++) await flushed(socket, flood)
  await victim.isCalm()
  expect(await victim.growth('200,000 pings')).toBeLessThan(2 * MIB)
  socket.destroy()
})

test('who never reads holds up no more than the inbox and one buffer', async ({ scene }) => {
  const victim = await Victim.start(scene)
  const socket = await upgradedSocket(victim.port)
  socket.pause()
  const session = ((await victim.child.ask('sessions')) as string[]).at(-1)!
  // Twelve times what the inbox may hold.
  await victim.child.ask({ session, count: 100_000, bytes: 1_000 })
  await victim.isCalm()
  // 8 MiB of inbox, 1 MiB that waits for the network, and the sends that wait for room.
  expect(await victim.growth('100 MB for one that does not read')).toBeLessThan(12 * MIB)
  socket.destroy()
})

test('who reads and never acknowledges, with a window of any size, holds up no more than the inbox', async ({
  scene,
}) => {
  const victim = await Victim.start(scene)
  const window = { messages: 999_999_999_999_999, bytes: 999_999_999_999_999 }
  const client = RawClient.entering(`ws://127.0.0.1:${victim.port}/`, { ...hello, window })
  const { session } = await client.welcome()
  for (let round = 0; round < 5; round++) await victim.child.ask({ session, count: 100_000, bytes: 1 })
  await victim.isCalm()
  expect(await client.isAlive()).toBe(true)
  const frames = client.received.map((message) => decode(message))
  const received = frames.reduce((sum, frame) => sum + (frame.type === 'data' ? frame.payloads.length : 0), 0)
  expect(received).toBeGreaterThan(60_000)
  expect(received).toBeLessThanOrEqual(65_536)
  // 10,000 messages of inbox, and the count of what is in flight.
  expect(await victim.growth('500,000 messages without an ACK')).toBeLessThan(12 * MIB)
  client.socket.terminate()
})

test('a message in tiny parts, each read with much else, ends its connection before it costs much', async ({
  scene,
}) => {
  const victim = await Victim.start(scene, { limits: { maxMessageBytes: 100_000, maxPendingBytes: 100_000 } })
  const socket = await upgradedSocket(victim.port)
  const closeCodes: number[] = []
  socket.on('data', (data: Buffer) => {
    if (data[0] === 0x88) closeCodes.push(data.readUInt16BE(2))
  })
  const noise = times(500, maskedFrame(Opcode.pong, 'x'.repeat(120)))
  for (let part = 0; part < 1_000 && !closeCodes.length; part++)
    await flushed(socket, Buffer.concat([noise, maskedFrame(part ? Opcode.continuation : Opcode.text, 'x', false)]))
  expect(closeCodes).toEqual([1008])
  await victim.isCalm()
  // 103 parts with 64 KB each, until the connection is closed.
  expect(await victim.growth('a message in tiny parts')).toBeLessThan(10 * MIB)
  socket.destroy()
  await victim.until(({ connections }) => connections === 1)
  expect(await victim.growth('after it')).toBeLessThan(2 * MIB)
})

test('connections that have not said HELLO hold no more than a HELLO each, whatever they send', async ({ scene }) => {
  const victim = await Victim.start(scene)
  const sockets = await Promise.all(Array.from({ length: 100 }, () => upgradedSocket(victim.port, [PROTOCOL])))
  // A message of 3 MB that lacks its end.
  const part = maskedFrame(Opcode.text, 'x'.repeat(3_000_000)).subarray(0, 40_000)
  await Promise.all(sockets.map((socket) => flushed(socket, part)))
  await victim.isCalm()
  expect(await victim.growth('100 times the most before HELLO')).toBeLessThan(100 * 80_000)
  await Promise.all(sockets.map((socket) => flushed(socket, Buffer.alloc(100_000))))
  await victim.until(({ violations }) => violations === 100)
  for (const socket of sockets) socket.destroy()
  await victim.until(({ connections }) => connections === 1)
  expect(await victim.growth('after them')).toBeLessThan(3 * MIB)
})

test('the worst that attached connections can do has the bound that SECURITY.md states, and goes with them', async ({
  scene,
}) => {
  const COUNT = 10
  const victim = await Victim.start(scene, {
    session: { ttlMs: 100 },
    heartbeat: { intervalMs: 60_000, timeoutMs: 60_000 },
  })
  const sockets: Socket[] = []
  for (let index = 0; index < COUNT; index++) {
    const socket = await upgradedSocket(victim.port)
    socket.pause()
    sockets.push(socket)
    // A handler that never comes back, and behind it as much as the window takes, in characters of three bytes.
    await flushed(
      socket,
      maskedFrame(Opcode.text, 'D1,0 hang'),
      ...[65_000, 65_000, 65_000, 65_000, 1_000_000].map((length, index) =>
        maskedFrame(Opcode.text, `D${index + 2},0 ${'語'.repeat(length)}`),
      ),
      // A message of the largest size that lacks its last byte.
      maskedFrame(Opcode.text, `D7,0 ${'語'.repeat(1_048_000)}`).subarray(0, -1),
    )
    const session = ((await victim.child.ask('sessions')) as string[]).at(-1)!
    // And an inbox that nobody reads.
    await victim.child.ask({ session, count: 12_000, bytes: 1_000 })
  }
  await victim.isCalm()
  const growth = await victim.growth(`${COUNT} times the worst`)
  expect(growth / COUNT).toBeGreaterThan(10 * MIB)
  expect(growth / COUNT).toBeLessThan(18 * MIB)
  for (const socket of sockets) socket.destroy()
  await victim.until(({ sessions, connections }) => sessions === 1 && connections === 1)
  expect(await victim.growth('after them')).toBeLessThan(3 * MIB)
  await victim.isCalm()
})
