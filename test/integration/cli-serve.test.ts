import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { connect, type Session } from '../../src/client/node.ts'
import { installCli, type CliChild } from './cli-child.ts'
import { test, type Scene } from './scene.ts'

const heartline = installCli()

async function serve(scene: Scene, ...args: string[]): Promise<{ server: CliChild; port: number; url: string }> {
  const server = heartline(scene, ['serve', '--port', '0', ...args])
  const [, url] = /(ws:.*)/.exec(await server.line(/listening/))!
  return { server, url: url!, port: Number(new URL(url!).port) }
}

function begin(scene: Scene, url: string): { session: Session; messages: unknown[] } {
  const session = connect(url, { reconnect: { minDelayMs: 1, maxDelayMs: 20 } })
  scene.atEnd(() => session.close())
  const messages: unknown[] = []
  session.on('message', ({ data }) => {
    messages.push(data)
    scene.journal.note('client: message', data)
  })
  return { session, messages }
}

test('sends each message back, and each line of its input to all sessions', async ({ scene }) => {
  const { server, url } = await serve(scene)
  const [one, other] = [begin(scene, url), begin(scene, url)]
  await Promise.all([one.session.send('hello'), other.session.send(new Uint8Array([1, 2]))])
  await scene.journal.until('the echoes', () => one.messages.length && other.messages.length)
  server.process.stdin!.write('to all\n')
  await scene.journal.until('the line', () => one.messages.length > 1 && other.messages.length > 1)
  expect(one.messages).toEqual(['hello', 'to all'])
  expect(other.messages).toEqual([new Uint8Array([1, 2]), 'to all'])
  await server.line(/sent +"to all" to 2 sessions$/)
})

test('tells of sessions that begin, are cut off, come back and end', async ({ scene }) => {
  const { server, port } = await serve(scene)
  const proxy = await scene.proxy({ port })
  const { session } = begin(scene, proxy.url)
  await session.send('hello')
  const id = session.id!.slice(0, 8)
  const resumed = new Promise((resolve) => session.on('resumed', resolve))
  await server.line(new RegExp(`session +${id} has begun$`))
  proxy.reset()
  await server.line(new RegExp(`cut +${id}: code 1006$`))
  await server.line(new RegExp(`resumed +${id}: 0 missed messages sent, 0 received once more$`))
  await resumed
  await session.close()
  await server.line(new RegExp(`ended +${id}: closed$`))
  expect(await server.exit('SIGINT')).toBe(0)
  expect(server.errors).toBe('')
})

test('lets go of its clients when it is interrupted, and ends with 0', async ({ scene }) => {
  const { server, url } = await serve(scene)
  const { session } = begin(scene, url)
  await session.send('hello')
  expect(await server.exit('SIGINT')).toBe(0)
  expect(server.output).toMatch(/closing +1 connection$/m)
})

test('fails with 1 and a line about it if the port is taken', async ({ scene }) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  scene.atEnd(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const server = heartline(scene, ['serve', '--port', String(port)])
  expect(await server.exit()).toBe(1)
  expect(server.errors).toMatch(/^heartline: Cannot listen on port \d+ of 127\.0\.0\.1: .*EADDRINUSE.*\n$/)
  expect(server.output).toBe('')
})

test('takes pages of the origins that it was given, on its path', async ({ scene }) => {
  const { url } = await serve(scene, '--path', '/live', '--allow-origin', 'https://example.com')
  const upgrade = (url: string, origin: string): Promise<unknown> => {
    const socket = new WebSocket(url, 'heartline.v1', { origin })
    scene.atEnd(() => socket.terminate())
    return new Promise((resolve) => {
      socket.on('error', () => {})
      socket.on('open', () => resolve(101)).on('unexpected-response', (_request, { statusCode }) => resolve(statusCode))
    })
  }
  expect(await upgrade(url, 'https://example.com')).toBe(101)
  expect(await upgrade(url, 'https://example.org')).toBe(403)
  expect(await upgrade(new URL('/', url).href, 'https://example.com')).toBe(404)
})

test.for([
  ['Expected --port to be a whole number from 0 to 65535, got "65536".', '--port', '65536'],
  ['Expected --port to be a whole number from 0 to 65535, got "80.5".', '--port', '80.5'],
  ['Expected --path to begin with /, without ? and #.', '--path', 'live'],
  ['Expected --allow-origin to be an origin, such as https://example.com, or *.', '--allow-origin', 'example.com'],
  ['Expected options only, got "4747".', '4747'],
])('refuses: %s', async ([complaint, ...args], { scene }) => {
  const server = heartline(scene, ['serve', ...args])
  expect(await server.exit()).toBe(64)
  expect(server.errors).toBe(`heartline: ${complaint}\n`)
})

test('a probe without heartbeat options opens a session with it', async ({ scene }) => {
  const { server, url } = await serve(scene)
  const probe = heartline(scene, ['probe', url, '--json', '--interval-ms', '100', '--timeout-ms', '60000'])
  await probe.event('open', ({ state }) => state === 'open')
  await server.line(/session/)
  expect(await probe.exit('SIGINT')).toBe(0)
  await server.line(/ended +\S+: closed$/)
})
