import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeInChromium, test, until } from './browser-test.ts'

describeInChromium('the compiled client entry', () => {
  test('runs from <script type="module"> with no bundler', async ({ tab, site, expect }) => {
    const { page } = tab
    const requested: string[] = []
    page.on('request', (request) => requested.push(request.url()))
    await page.reload()
    await page.waitForFunction(() => 'heartline' in globalThis)
    const echoes = await page.evaluate(async (url) => {
      const echo = async (socket: EventTarget & { send(data: string): void }): Promise<string> => {
        await new Promise((resolve) => socket.addEventListener('open', resolve))
        socket.send('hello')
        return new Promise((resolve) =>
          socket.addEventListener('message', (event) => resolve((event as MessageEvent).data)),
        )
      }
      return Promise.all([echo(new heartline.HeartbeatWebSocket(url)), echo(new heartline.ReconnectingWebSocket(url))])
    }, site.url)
    expect(echoes).toEqual(['hello', 'hello'])
    expect(await page.evaluate(() => errors)).toEqual([])
    expect(requested).toContain(`${site.origin}/dist/websocket.js`)
    expect(requested.filter((url) => !url.startsWith(site.origin) && !url.startsWith('data:'))).toEqual([])
  })

  test('imports its own files only', async ({ dist, expect }) => {
    const files = ['websocket.js']
    const specifiers: string[] = []
    for (const file of files) {
      const source = await readFile(join(dist, file), 'utf8')
      for (const [, specifier] of source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g)) {
        specifiers.push(specifier!)
        if (specifier!.startsWith('./') && !files.includes(specifier!.slice(2))) files.push(specifier!.slice(2))
      }
    }
    expect(specifiers.filter((specifier) => !specifier.startsWith('./'))).toEqual([])
  })
})

describeInChromium('errors of the application', () => {
  test('listeners that throw reach window.onerror and stop nothing', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      const heartbeat = {
        message: 'ping',
        isReply: (data: unknown) => data === 'pong',
        intervalMs: 200,
        timeoutMs: 500,
      }
      const sockets = {
        heartbeat: new heartline.HeartbeatWebSocket(url, [], { heartbeat }),
        reconnecting: new heartline.ReconnectingWebSocket(url, [], { heartbeat, reconnect: { minDelayMs: 1 } }),
      }
      for (const [name, socket] of Object.entries(sockets)) {
        for (const type of ['open', 'message', 'error', 'close', 'statechange'] as const) {
          socket.addEventListener(type, failing(`${type} of ${name}`))
        }
        watch(name, socket)
      }
    }, site.url)
    const echoes = async (name: string, text: string): Promise<void> => {
      await until(`${name} to open`, () => page.evaluate((name) => watched[name]!.socket.readyState === 1, name))
      await page.evaluate((name, text) => watched[name]!.socket.send(text), name, text)
      await until(`the echo of ${text}`, async () => (await tab.events(name)).some(({ data }) => data === text))
    }
    await echoes('heartbeat', 'one')
    await echoes('reconnecting', 'two')
    await until('a second heartbeat on each', () => site.connections.every(({ received }) => received.length > 2))
    for (const { socket } of site.connections) socket.close(1012)
    await until('a new connection', () => site.connections.length === 3)
    await echoes('reconnecting', 'three')
    expect((await tab.events('heartbeat')).at(-1)).toMatchObject({ type: 'close', code: 1012 })
    expect(await page.evaluate(() => errors)).toEqual(
      expect.arrayContaining([
        'Error: thrown in open of heartbeat',
        'Error: thrown in message of heartbeat',
        'Error: thrown in close of heartbeat',
        'Error: thrown in open of reconnecting',
        'Error: thrown in message of reconnecting',
        'Error: thrown in close of reconnecting',
        'Error: thrown in statechange of reconnecting',
      ]),
    )
  })

  test('callbacks that throw reach window.onerror and stop nothing', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      const heartbeat = { message: 'ping', isReply: failing('isReply'), intervalMs: 200, timeoutMs: 500 }
      const reconnect = { minDelayMs: 1, shouldReconnect: failing('shouldReconnect') }
      watch('socket', new heartline.ReconnectingWebSocket(url, [], { heartbeat, reconnect }))
    }, site.url)
    await until('heartbeats', () => site.connections[0]?.received[4])
    expect(site.connections).toHaveLength(1)
    expect((await tab.events('socket')).filter(({ data }) => data === 'pong').length).toBeGreaterThan(3)
    site.connections[0]!.socket.close(1000)
    await until('a new connection', () => site.connections.length === 2)
    expect(await page.evaluate(() => [...new Set(errors)].sort())).toEqual([
      'Error: thrown in isReply',
      'Error: thrown in shouldReconnect',
    ])
  })

  test('a heartbeat that cannot be made reaches window.onerror, and others follow', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      let beats = 0
      const fail = failing('message')
      const heartbeat = { message: () => (++beats === 2 ? fail() : 'ping'), intervalMs: 200, timeoutMs: 500 }
      watch('socket', new heartline.ReconnectingWebSocket(url, [], { heartbeat }))
    }, site.url)
    const heartbeats = (): number => site.connections.reduce((sum, { received }) => sum + received.length, 0)
    await until('heartbeats before and after the one that fails', () => heartbeats() > 3)
    console.info(`a heartbeat that cannot be made: ${site.connections.length} connections`)
    expect(await page.evaluate(() => errors)).toEqual(['Error: thrown in message'])
  })
})
