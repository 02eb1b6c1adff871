import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect } from 'vitest'
import { WebSocketServer } from 'ws'
import { createServer } from '../../src/server/index.ts'
import { installCli } from './cli-child.ts'
import { test, type Scene } from './scene.ts'

/** A heartbeat that is quick to go out, and which no busy machine fails to answer. */
const pinging = ['--message', 'ping', '--reply', 'pong', '--interval-ms', '100', '--timeout-ms', '60000']
/** The same, for tests that want its verdict. */
const impatient = ['--message', 'ping', '--reply', 'pong', '--interval-ms', '200', '--timeout-ms', '2000']

const heartline = installCli()

describe('exit code', { concurrent: true }, () => {
  test('is 0 after an interrupt while it is open and no outage was seen', async ({ scene }) => {
    const server = await scene.server()
    const probe = heartline(scene, ['probe', server.url, ...pinging, '--json'])
    await probe.event('a heartbeat', ({ event }) => event === 'heartbeat')
    expect(await probe.exit('SIGINT')).toBe(0)
    // It has said goodbye, so that the server does not keep a ghost.
    expect(await scene.journal.until('the goodbye', () => server.last!.closed)).toBe(1005)
  })

  test('is 1 after an outage, also when it is open again', async ({ scene }) => {
    const server = await scene.server()
    const proxy = await scene.proxy(server)
    const probe = heartline(scene, ['probe', proxy.url, ...impatient, '--json'])
    await probe.event('a heartbeat', ({ event }) => event === 'heartbeat')
    proxy.blackHole()
    const lost = await probe.event('the outage', ({ ending }) => ending)
    expect(lost).toMatchObject({ event: 'state', ending: { cause: 'heartbeat', code: 4701 } })
    expect(lost['silentMs']).toBeGreaterThanOrEqual(2_000)
    proxy.heal()
    // The attempt that began in the black hole cannot succeed.
    proxy.reset()
    const open = await probe.event('open again', ({ outageMs }) => outageMs)
    // What the dead connection left unanswered does not keep the answers on the new one from being timed.
    await probe.event('latency again', ({ latencyMs, at }) => latencyMs > 0 && at > open.at)
    expect(await probe.exit('SIGINT')).toBe(1)
    const summary = probe.json.at(-1)!
    expect(summary).toMatchObject({ event: 'summary', opens: 2, outageCount: 1, exitCode: 1 })
    const [outage] = summary['outages']
    const { silentMs, ending } = lost
    expect(outage).toEqual({ at: expect.any(String), lengthMs: open['outageMs'], isOver: true, ending, silentMs })
    // It began with the silence.
    expect(outage.lengthMs).toBeGreaterThanOrEqual(silentMs)
    expect(Date.parse(outage.at)).toBeLessThan(Date.parse(lost.at))
  })

  test('is 1 when the server closes for good, at once', async ({ scene }) => {
    const server = await scene.server({ connected: ({ socket }) => socket.close(1008, 'not \u001B[31mwelcome') })
    const probe = heartline(scene, ['probe', server.url, ...pinging])
    expect(await probe.exit()).toBe(1)
    expect(probe.output).toContain(
      'lost        closed by the server, code 1008, "not \\u{1b}[31mwelcome"; it is not tried',
    )
    expect(probe.output).not.toContain('\u001B')
  })

  test('is 1 when the first attempt failed and a later one did not', async ({ scene }) => {
    const proxy = await scene.proxy(await scene.server())
    proxy.refuse()
    const probe = heartline(scene, ['probe', proxy.url, ...pinging])
    await probe.line(/failed +no connection: .*ECONNRESET/)
    proxy.heal()
    await probe.line(/open +after an outage of/)
    expect(await probe.exit('SIGTERM')).toBe(1)
  })

  test('is 2 if it was never open, and the output says why', async ({ scene }) => {
    const probe = heartline(scene, ['probe', await scene.deadUrl(), ...pinging])
    await probe.line(/failed +no connection: connect ECONNREFUSED 127\.0\.0\.1/)
    expect(await probe.exit('SIGINT')).toBe(2)
    expect(probe.output).toMatch(/ open +never$/m)
  })

  test('is 2 when its time is over before it is open', async ({ scene }) => {
    const { url } = await scene.muteServer()
    expect(await heartline(scene, ['probe', url, ...pinging, '--for', '0.1']).exit()).toBe(2)
  })
})

describe('--until-open', { concurrent: true }, () => {
  test('ends with 0 as soon as it is open, whatever failed before', async ({ scene }) => {
    const proxy = await scene.proxy(await scene.server())
    proxy.refuse()
    const probe = heartline(scene, ['probe', proxy.url, ...pinging, '--until-open', '--for', '3600'])
    await probe.line(/failed/)
    proxy.heal()
    expect(await probe.exit()).toBe(0)
    expect(probe.lines.at(-1)).toMatch(/open +after an outage of/)
  })

  test('ends with 2 if it is not open in time', async ({ scene }) => {
    const probe = heartline(scene, ['probe', await scene.deadUrl(), ...pinging, '--until-open', '--for', '0.1'])
    expect(await probe.exit()).toBe(2)
    expect(probe.lines.at(-1)).toMatch(/^never open in [\d.]+ m?s$/)
  })
})

describe('what is shown', { concurrent: true }, () => {
  test('as JSON: one object a line, from the start to the summary', async ({ scene }) => {
    const server = await scene.server()
    const probe = heartline(scene, ['probe', `${server.url}?token=secret`, ...pinging, '--json'])
    await scene.journal.until('3 heartbeats', () => probe.json.filter(({ event }) => event === 'heartbeat').length >= 3)
    await probe.exit('SIGINT')
    const events = probe.json.map(({ event }) => event)
    expect([events[0], events[1], events.at(-1)]).toEqual(['start', 'state', 'summary'])
    expect(new Set(events.slice(2, -1))).toEqual(new Set(['heartbeat']))
    for (const { at } of probe.json) expect(new Date(at).toISOString()).toBe(at)
    expect(probe.json[0]!['url']).toBe(`${server.url}?…`)
    const summary = probe.json.at(-1)!
    expect(summary['heartbeatsAnswered']).toBe(events.length - 3)
    expect(summary['heartbeatsSent']).toBeGreaterThanOrEqual(summary['heartbeatsAnswered'])
    const { minMs, medianMs, p99Ms } = summary['latency']
    expect(minMs).toBeGreaterThan(0)
    expect(medianMs).toBeGreaterThanOrEqual(minMs)
    expect(p99Ms).toBeGreaterThanOrEqual(medianMs)
  })

  test('as text without a terminal: lines without control characters, and a summary', async ({ scene }) => {
    const server = await scene.server()
    const probe = heartline(scene, ['probe', server.url, ...pinging])
    await scene.journal.until('2 heartbeats', () => server.heartbeats >= 2)
    expect(await probe.exit('SIGINT')).toBe(0)
    expect(probe.output).not.toMatch(/[^\P{Cc}\n]/u)
    const shown = probe.output
      .replaceAll(server.url, 'URL')
      .replaceAll(/[\d.]+ m?s\b/g, 'TIME')
      .replaceAll(/\d+/g, '0')
    expect(shown).toBe(
      [
        '0-0-0 0:0:0  connecting  to URL',
        '0-0-0 0:0:0  open        after TIME',
        '',
        'URL',
        '  open        TIME, all the time',
        '  outages     none',
        '  heartbeats  0 sent, 0 answered',
        '  latency     min TIME, median TIME, p0 TIME',
      ].join('\n'),
    )
  })

  test('a reply that never comes: what came instead', async ({ scene }) => {
    const server = await scene.server({ reply: (text) => text.toUpperCase() })
    const probe = heartline(scene, ['probe', server.url, ...pinging])
    await scene.journal.until('2 heartbeats', () => server.heartbeats >= 2)
    await probe.exit('SIGINT')
    expect(probe.lines.at(-1)).toMatch(/latency +not measured: no message was "pong", the last one was "PING"$/)
  })

  test('silence of a server that speaks by itself', async ({ scene }) => {
    const server = await scene.server()
    const probe = heartline(scene, ['probe', server.url, '--silence-ms', '200', '--json'])
    const { ending } = await probe.event('the outage', ({ ending }) => ending)
    expect(ending).toMatchObject({ cause: 'heartbeat' })
    expect(await probe.exit('SIGINT')).toBe(1)
    expect(server.heartbeats).toBe(0)
  })

  test('nothing any more when nobody reads: it ends, without a complaint', async ({ scene }) => {
    const server = await scene.server()
    const probe = heartline(scene, ['probe', server.url, ...pinging, '--json'])
    await probe.event('a heartbeat', ({ event }) => event === 'heartbeat')
    probe.process.stdout!.destroy()
    expect(await probe.exit()).toBe(0)
    expect(probe.errors).toBe('')
  })
})

describe('a heartline server', { concurrent: true }, () => {
  async function serve(scene: Scene): Promise<string> {
    const server = createServer({ port: 0, authenticate: ({ auth }) => auth === 'secret' && 'somebody' })
    scene.atEnd(() => server.close())
    const { port } = await server.listening
    return `ws://127.0.0.1:${port}`
  }

  test('takes the credential of the option, or of the environment', async ({ scene }) => {
    const url = await serve(scene)
    for (const [args, env] of [[['--auth', 'secret'], {}] as const, [[], { HEARTLINE_AUTH: 'secret' }] as const])
      expect(await heartline(scene, ['probe', url, '--until-open', ...args], env).exit()).toBe(0)
  })

  test('that does not take the credential is not tried again: 2', async ({ scene }) => {
    const probe = heartline(scene, ['probe', await serve(scene), '--auth', 'wrong'])
    expect(await probe.exit()).toBe(2)
    expect(probe.output).toMatch(/failed +no connection: code 4901, .*; it is not tried again$/m)
    expect(probe.output).not.toContain('wrong')
  })

  test('shows latency, and that its session goes on after a cut', async ({ scene }) => {
    const proxy = await scene.proxy({ port: Number(new URL(await serve(scene)).port) })
    const options = ['--auth', 'secret', '--interval-ms', '100', '--timeout-ms', '1000', '--json']
    const probe = heartline(scene, ['probe', proxy.url, ...options])
    await probe.event('a heartbeat', ({ event, latencyMs }) => event === 'heartbeat' && latencyMs > 0)
    proxy.reset()
    await probe.event('the session goes on', ({ event }) => event === 'resumed')
    expect(await probe.exit('SIGINT')).toBe(1)
  })

  test('that is none: the output says what to try', async ({ scene }) => {
    const server = createHttpServer().listen(0, '127.0.0.1')
    scene.atEnd(() => server.close())
    await once(server, 'listening')
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n'))
    const { port } = server.address() as AddressInfo
    const probe = heartline(scene, ['probe', `ws://127.0.0.1:${port}`])
    await probe.line(/failed +no connection: Unexpected server response: 404; next attempt/)
    await probe.line(/hint +if it is no heartline server, give --message <text> --reply <text>/)
    expect(await probe.exit('SIGINT')).toBe(2)
  })
})

test('--header goes out with the upgrade request, as often as it is given', async ({ scene }) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  scene.atEnd(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const upgraded = once(server, 'connection')
  const headers = ['--header', 'x-one: a:b', '--header', 'Origin:https://example.com', '--header', 'x-one:c']
  const probe = heartline(scene, ['probe', `ws://127.0.0.1:${port}`, ...pinging, '--until-open', ...headers])
  const [, request] = (await upgraded) as [unknown, { headers: Record<string, string> }]
  expect(request.headers).toMatchObject({ 'x-one': 'a:b, c', origin: 'https://example.com' })
  expect(await probe.exit()).toBe(0)
})

describe('usage', { concurrent: true }, () => {
  const url = 'ws://127.0.0.1:9'
  const wrong: [complaint: string, ...args: string[]][] = [
    ['Expected a command, probe or serve.'],
    ['Expected a command, probe or serve.', 'prove'],
    ['Expected a command, probe or serve.', 'toString'],
    ['Expected a URL, such as ws://127.0.0.1:8080.', 'probe'],
    ['Expected one URL and options, got 2 values; put quotes around a value with spaces.', 'probe', url, 'more'],
    ['Expected a URL that begins with ws:// or wss://, such as ws://127.0.0.1:8080.', 'probe', 'localhost:8080'],
    ['Expected a URL that begins with ws:// or wss://, such as ws://127.0.0.1:8080.', 'probe', 'http://127.0.0.1'],
    ['Expected a URL without a fragment (#).', 'probe', `${url}#part`],
    ['Unknown option --intervall-ms.', 'probe', url, '--intervall-ms', '5'],
    ['Unknown option --constructor.', 'probe', url, '--constructor'],
    ['Unknown option -x.', 'probe', url, '-x'],
    ['Expected --interval-ms to be a number from 100 to 2147483647, got "99".', 'probe', url, '--interval-ms', '99'],
    ['Expected --timeout-ms to be a number from 100 to 2147483647, got "1e3".', 'probe', url, '--timeout-ms=1e3'],
    ['Expected --for to be a number from 0.1 to 2147483, got "0".', 'probe', url, '--for', '0'],
    ['Expected --for to be a number from 0.1 to 2147483, got "".', 'probe', url, '--for='],
    ['Expected a value after --for; one that begins with a dash goes as --for=-1.', 'probe', url, '--for', '-1'],
    ['Expected a value after --for.', 'probe', url, '--for'],
    ['--json takes no value.', 'probe', url, '--json=yes'],
    ['--reply needs --message.', 'probe', url, '--reply', 'pong'],
    ['Expected --message or --silence-ms, not both.', 'probe', url, '--message', 'ping', '--silence-ms', '1000'],
    ['--interval-ms has no meaning with --silence-ms.', 'probe', url, '--silence-ms', '1000', '--interval-ms', '1000'],
    [
      "--auth is for heartline servers. With --message or --silence-ms use --header 'authorization: …'.",
      ...['probe', url, '--message', 'ping', '--auth', 'secret'],
    ],
    [
      'Expected --header as name:value, such as --header origin:https://example.com.',
      ...['probe', url, '--header', 'secret'],
    ],
    [
      'Expected --header as name:value, such as --header origin:https://example.com.',
      ...['probe', url, '--header', 'x: a\r\nb: c'],
    ],
  ]

  test.for(wrong)('%s', async ([complaint, ...args], { scene }) => {
    const child = heartline(scene, args)
    expect(await child.exit()).toBe(64)
    expect(child.errors).toBe(`heartline: ${complaint}\n`)
    expect(child.output).toBe('')
  })

  test('--help and --version answer, wherever they stand', async ({ scene }) => {
    for (const args of [['--help'], ['probe', '--help'], ['probe', '-h', url], ['serve', '--help']]) {
      const child = heartline(scene, args)
      expect(await child.exit()).toBe(0)
      expect(child.output).toMatch(/^Usage: heartline/)
    }
    for (const args of [['--version'], ['probe', '--version']]) {
      const child = heartline(scene, args)
      expect(await child.exit()).toBe(0)
      expect(child.output).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })
})
