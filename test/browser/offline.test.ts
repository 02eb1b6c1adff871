import { describeInChromium, sleep, test, until, type Tab } from './browser-test.ts'

async function goOffline({ cdp, page }: Tab, offline: boolean): Promise<void> {
  await cdp.send('Network.emulateNetworkConditions', {
    offline,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: -1,
  })
  await until('navigator.onLine to change', () => page.evaluate((offline) => navigator.onLine !== offline, offline))
}

describeInChromium('a browser without network', () => {
  test('probes within 1 s of coming online', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong', intervalMs: 60_000 }
      watch('socket', new heartline.HeartbeatWebSocket(url, [], { heartbeat }))
    }, site.url)
    await until('the connection', () => site.connections[0])
    await goOffline(tab, true)
    await sleep(500)
    expect(site.connections[0]!.received).toEqual([])
    const onlineAtMs = Date.now()
    await goOffline(tab, false)
    const probe = await until('a probe', () => site.connections[0]!.received[0])
    console.info(`online: probe after ${probe.atMs - onlineAtMs} ms`)
    expect(probe.text).toBe('ping')
    expect(probe.atMs - onlineAtMs).toBeLessThan(1_000)
    expect(await tab.events('socket')).toEqual([expect.objectContaining({ type: 'open' })])
  })

  test('finds the path dead, and tries again within 1 s of coming online', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      const heartbeat = {
        message: 'ping',
        isReply: (data: unknown) => data === 'pong',
        intervalMs: 500,
        timeoutMs: 500,
      }
      const reconnect = { minDelayMs: 30_000, maxDelayMs: 30_000 }
      watch('socket', new heartline.ReconnectingWebSocket(url, [], { heartbeat, reconnect }))
    }, site.url)
    await until('the connection', () => site.connections[0]?.received[0])
    const offlineAtMs = Date.now()
    await goOffline(tab, true)
    const waiting = await until('the second wait', async () =>
      (await tab.events('socket')).filter(({ state }) => state === 'waiting').at(1),
    )
    const events = await tab.events('socket')
    const death = events.find(({ cause }) => cause === 'heartbeat')!
    console.info(`offline: dead after ${death.atMs - offlineAtMs} ms`)
    expect(death.atMs - offlineAtMs).toBeLessThan(2_000)
    expect(waiting).toMatchObject({ cause: 'refused' })
    expect(waiting.retryInMs).toBeGreaterThan(29_000)
    // One second lies between two attempts, whatever wakes them.
    await sleep(1_000)
    const onlineAtMs = Date.now()
    await goOffline(tab, false)
    const connection = await until('a new connection', () => site.connections[1])
    console.info(`online: new connection after ${connection.atMs - onlineAtMs} ms`)
    expect(connection.atMs - onlineAtMs).toBeLessThan(1_000)
  })

  // lab.md C.1: "`navigator.onLine` in a netns without default route: false while the socket works (WebKitGTK)"
  test('is not believed for good: with navigator.onLine false, attempts go on', async ({ tab, site, expect }) => {
    const { page } = tab
    await page.evaluate((url) => {
      Object.defineProperty(navigator, 'onLine', { get: () => false })
      const reconnect = { minDelayMs: 10, maxDelayMs: 1_500 }
      watch('socket', new heartline.ReconnectingWebSocket(url, [], { reconnect }))
    }, site.url)
    for (const attempt of [0, 1, 2]) {
      const { socket } = await until(`connection ${attempt + 1}`, () => site.connections[attempt])
      await until('it to be open', () => page.evaluate(() => watched['socket']!.socket.readyState === 1))
      socket.close(1012)
    }
    await until('connection 4', () => site.connections[3])
    const delays = (await tab.events('socket')).flatMap(({ retryInMs }) => retryInMs ?? [])
    expect(delays).toHaveLength(3)
    for (const delay of delays) {
      expect(delay).toBeGreaterThan(1_400)
      expect(delay).toBeLessThanOrEqual(1_500)
    }
  })
})
