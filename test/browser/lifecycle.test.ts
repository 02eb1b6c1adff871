import { describeInChromium, openTab, sleep, test, until, type NotedEvent, type Tab } from './browser-test.ts'
import { startChromium } from './chromium.ts'
import type { ServedConnection } from './site.ts'

/** Opens a HeartbeatWebSocket, noted as `heartbeat`, and a ReconnectingWebSocket, noted as `reconnecting`. */
async function open({ page }: Tab, url: string, intervalMs: number, timeoutMs = 500): Promise<void> {
  await page.evaluate(
    (url, intervalMs, timeoutMs) => {
      const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong', intervalMs, timeoutMs }
      watch('heartbeat', new heartline.HeartbeatWebSocket(url, [], { heartbeat }))
      watch('reconnecting', new heartline.ReconnectingWebSocket(url, [], { heartbeat }))
    },
    url,
    intervalMs,
    timeoutMs,
  )
  await until('both sockets to be open', () =>
    page.evaluate(() => Object.values(watched).every(({ socket }) => socket.readyState === 1)),
  )
}

/** Makes the page note when a timer of 100 ms really comes. */
async function noteTimers({ page }: Tab): Promise<void> {
  await page.evaluate(() => {
    const state = globalThis as unknown as { timerAtMs: number[] }
    state.timerAtMs = [Date.now()]
    setInterval(() => state.timerAtMs.push(Date.now()), 100)
  })
}

/** The times between timers that the page has noted; the last is the time since the last one. */
async function timerGaps({ page }: Tab): Promise<number[]> {
  const times = await page.evaluate(() => [...(globalThis as unknown as { timerAtMs: number[] }).timerAtMs, Date.now()])
  return times.slice(1).map((time, index) => time - times[index]!)
}

const median = (values: number[]): number => [...values].sort((one, other) => one - other)[values.length >> 1]!
const firstPingAfter = (connection: ServedConnection, atMs: number) =>
  connection.received.find((message) => message.text === 'ping' && message.atMs >= atMs)

describeInChromium('a hidden page (field notes: Hidden Chromium tab)', () => {
  // field-notes.md: "Hidden Chromium tab: interval timers once a minute; a deadline armed inside `onmessage` [stays] on time."
  test('goes on with heartbeats, and does not declare a live server dead, when timers come once a minute', async ({
    site,
    expect,
  }) => {
    const chromium = await startChromium(['--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/10'])
    try {
      const { tab } = await openTab(chromium, site)
      await open(tab, site.url, 1_000)
      await tab.hide()
      await noteTimers(tab)
      const gaps = await until(
        'a timer that is 20 s late',
        async () => {
          const gaps = await timerGaps(tab)
          return gaps.slice(0, -1).some((gap) => gap > 20_000) && gaps
        },
        105_000,
      )
      await sleep(2_000)
      const sentAtMs = Date.now()
      site.connections[0]!.socket.send('news')
      const news = await until('news', async () => (await tab.events('heartbeat')).find(({ data }) => data === 'news'))
      const pings = site.connections[0]!.received.map(({ atMs }) => atMs)
      const pingGaps = pings.slice(1).map((time, index) => time - pings[index]!)
      console.info(
        `throttled: a timer of 100 ms came after ${Math.max(...gaps)} ms, a heartbeat of 1000 ms after ` +
          `${Math.max(...pingGaps)} ms, news after ${news.atMs - sentAtMs} ms`,
      )
      expect(Math.max(...pingGaps)).toBeLessThan(5_000)
      expect(news.atMs - sentAtMs).toBeLessThan(1_000)
      expect((await tab.events('heartbeat')).map(({ type }) => type)).toEqual(['open', 'message'])
      expect((await tab.events('reconnecting')).map(({ type }) => type)).toEqual(['statechange', 'open'])
      expect(site.connections).toHaveLength(2)
      const shownAtMs = Date.now()
      await tab.show()
      const probe = await until('a probe', () => firstPingAfter(site.connections[0]!, shownAtMs))
      console.info(`throttled, then visible: probe after ${probe.atMs - shownAtMs} ms`)
      expect(probe.atMs - shownAtMs).toBeLessThan(1_000)
    } finally {
      await chromium.stop()
    }
  })

  test('hears a live server, and does not declare it dead', async ({ tab, site, expect }) => {
    await open(tab, site.url, 1_000)
    await tab.hide()
    await noteTimers(tab)
    await sleep(5_000)
    const sentAtMs = Date.now()
    site.connections[0]!.socket.send('news')
    await sleep(5_000)
    const gapMs = median((await timerGaps(tab)).slice(2))
    const pings = site.connections.map(({ received }) => received.length)
    const heartbeat = await tab.events('heartbeat')
    const newsInMs = heartbeat.find(({ data }) => data === 'news')!.atMs - sentAtMs
    console.info(`hidden: timers of 100 ms came every ${gapMs} ms, news after ${newsInMs} ms, ${pings} pings in 10 s`)
    expect(await tab.page.evaluate(() => document.visibilityState)).toBe('hidden')
    expect(gapMs).toBeGreaterThan(900)
    expect(newsInMs).toBeLessThan(1_000)
    expect(Math.min(...pings)).toBeGreaterThan(3)
    expect(heartbeat.map(({ type }) => type)).toEqual(['open', 'message'])
    expect((await tab.events('reconnecting')).map(({ type }) => type)).toEqual(['statechange', 'open'])
    expect(site.connections).toHaveLength(2)
  })

  for (const { intervalMs, timeoutMs, withinMs } of [
    // The timers, once a second, are late for these.
    { intervalMs: 1_000, timeoutMs: 500, withinMs: 30_000 },
    { intervalMs: 10_000, timeoutMs: 5_000, withinMs: 17_000 },
  ]) {
    test(`notices that a path has died: ${intervalMs} + ${timeoutMs} ms`, async ({ tab, proxy, expect }) => {
      await open(tab, proxy.url, intervalMs, timeoutMs)
      await tab.hide()
      await sleep(2_000)
      const faultAtMs = Date.now()
      proxy.blackHole()
      const isClose = ({ type }: NotedEvent): boolean => type === 'close'
      const death = await until('the end', async () => (await tab.events('heartbeat')).find(isClose), withinMs + 2_000)
      console.info(`hidden: dead path noticed after ${death.atMs - faultAtMs} ms (${intervalMs} + ${timeoutMs} ms)`)
      expect(death.code).toBe(4701)
      expect(death.atMs - faultAtMs).toBeLessThan(withinMs)
      expect(await tab.page.evaluate(() => document.visibilityState)).toBe('hidden')
    })
  }

  test('probes within 1 s of becoming visible', async ({ tab, site, expect }) => {
    await open(tab, site.url, 60_000)
    await tab.hide()
    await sleep(1_500)
    expect(site.connections.map(({ received }) => received)).toEqual([[], []])
    const shownAtMs = Date.now()
    await tab.show()
    const probes = await until('probes', () => {
      const probes = site.connections.flatMap((connection) => firstPingAfter(connection, shownAtMs) ?? [])
      return probes.length === 2 && probes
    })
    const probedInMs = Math.max(...probes.map(({ atMs }) => atMs - shownAtMs))
    console.info(`visible: probes after ${probedInMs} ms`)
    expect(await tab.page.evaluate(() => document.visibilityState)).toBe('visible')
    expect(probedInMs).toBeLessThan(1_000)
  })
})

describeInChromium('a page that does not run for a while', () => {
  /** Stops all JavaScript of the page, as a debugger does: what should happen meanwhile happens late. */
  async function pause({ cdp }: Tab, ms: number): Promise<void> {
    await cdp.send('Debugger.enable')
    const evaluated = cdp.send('Runtime.evaluate', { expression: 'debugger' })
    await sleep(ms)
    await cdp.send('Debugger.resume')
    await evaluated
    await cdp.send('Debugger.disable')
  }

  test('does not blame a path that is alive', async ({ tab, site, expect }) => {
    await open(tab, site.url, 1_000)
    await pause(tab, 5_000)
    await sleep(1_500)
    expect(site.connections).toHaveLength(2)
    expect((await tab.events('heartbeat')).map(({ type }) => type)).toEqual(['open'])
  })

  test('gives a path that does not run either time to come back', async ({ tab, proxy, expect }) => {
    await open(tab, proxy.url, 1_000, 1_000)
    const isAnswered = ({ events }: (typeof nativeSockets)[number]): boolean =>
      events.some(({ data }) => data === 'pong')
    await until('answers', async () => (await tab.page.evaluate(() => nativeSockets)).every(isAnswered))
    proxy.stall()
    // Until a heartbeat is out on each of them.
    await sleep(1_300)
    await pause(tab, 3_000)
    await sleep(300)
    proxy.heal()
    await sleep(1_500)
    expect(proxy.accepted).toBe(2)
    expect((await tab.events('heartbeat')).map(({ type }) => type)).toEqual(['open'])
  })
})

// field-notes.md: "Frozen Chromium page: protocol pings answered by the browser, data lost, 1006 on resume."
describeInChromium('a frozen page (field notes: Frozen Chromium page)', () => {
  for (const { intervalMs, withData, wokenBy } of [
    { intervalMs: 1_000, withData: false, wokenBy: 'Chromium' },
    { intervalMs: 1_000, withData: true, wokenBy: 'Chromium' },
    { intervalMs: 60_000, withData: false, wokenBy: 'Chromium' },
    { intervalMs: 60_000, withData: true, wokenBy: 'its user' },
  ]) {
    const name = `heartbeats every ${intervalMs} ms, ${withData ? 'data' : 'no data'} meanwhile, woken by ${wokenBy}`
    test(`is back within 1 s of waking, and does not blame the path: ${name}`, async ({ tab, site, expect }) => {
      const { page, cdp } = tab
      // The longest delay that back-off can choose.
      await page.evaluate(() => void (Math.random = () => 0.999))
      await open(tab, site.url, intervalMs)
      await tab.hide()
      await sleep(1_200)
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
      await sleep(500)
      const receivedBefore = site.connections.map(({ received }) => received.length)
      let pongs = 0
      for (const { socket } of site.connections) {
        socket.on('pong', () => pongs++).ping()
        if (withData) socket.send('lost')
      }
      await sleep(3_000)
      expect(site.connections.map(({ received }) => received.length)).toEqual(receivedBefore)

      const wokenAtMs = Date.now()
      if (wokenBy === 'Chromium') await cdp.send('Page.setWebLifecycleState', { state: 'active' })
      else await tab.show()
      /** When the old connection was probed or, if it is closed, replaced. */
      const back = (): number | undefined => {
        const [, old, fresh] = site.connections
        return old!.closed ? fresh?.atMs : firstPingAfter(old!, wokenAtMs)?.atMs
      }
      await until('a probe or a new connection', back)
      await sleep(300)
      const backInMs = (await until('a probe or a new connection', back)) - wokenAtMs
      const natives = await page.evaluate(() => nativeSockets.slice(0, 2).map(({ events }) => events.at(-1)))
      const probe = firstPingAfter(site.connections[1]!, wokenAtMs)
      console.info(
        `frozen, ${name}: ${pongs} of 2 protocol pings answered; probe ${probe ? `${probe.atMs - wokenAtMs} ms` : 'none'} ` +
          `after waking; native sockets: ${natives.map((event) => `${event?.type} ${event?.code ?? ''}`)}; server: ` +
          `${site.connections.slice(0, 2).map(({ closed }) => closed?.code)}; back after ${backInMs} ms`,
      )
      const events = [...(await tab.events('heartbeat')), ...(await tab.events('reconnecting'))]
      expect(events.filter(({ code }) => code === 4701)).toEqual([])
      expect(await page.evaluate(() => signals.map(({ type }) => type))).toEqual(
        expect.arrayContaining(['visibilitychange', 'freeze', 'resume']),
      )
      expect(backInMs).toBeLessThan(1_000)

      const isOpen = (): Promise<boolean> => page.evaluate(() => watched['reconnecting']!.socket.readyState === 1)
      await until('the ReconnectingWebSocket to be open', isOpen)
      await page.evaluate(() => watched['reconnecting']!.socket.send('hello'))
      await until('an echo', async () => (await tab.events('reconnecting')).some(({ data }) => data === 'hello'))
    })
  }
})

// field-notes.md: "Return from bfcache: 1006."
describeInChromium('a page in the back/forward cache (field notes: Return from bfcache)', () => {
  test('has left cleanly, and reconnects at once when it returns', async ({ tab, site, proxy, expect }) => {
    const { page } = tab
    await open(tab, site.url, 60_000)
    await page.evaluate((url) => watch('waiting', new heartline.ReconnectingWebSocket(url)), proxy.url)
    await until('the third connection', () => site.connections[2])
    proxy.refuse()
    proxy.reset()
    await until('it to wait', () => page.evaluate(() => watched['waiting']!.socket.attempts > 1))
    await page.goto(`${site.origin}/dist/websocket.js`)
    await until('the connections to close', () => site.connections.every(({ closed }) => closed))
    proxy.heal()
    const accepted = proxy.accepted
    await sleep(2_000)
    expect(site.connections).toHaveLength(3)
    expect(proxy.accepted).toBe(accepted)

    const connections = site.connections.length
    await page.goBack()
    await until('new connections', () => site.connections.length === connections + 2)
    const returned = await until('pageshow', () =>
      page.evaluate(() => signals.filter(({ type }) => type === 'pageshow')[1]),
    )
    const natives = await page.evaluate(() => nativeSockets)
    const attemptedInMs = natives.slice(-2).map(({ atMs }) => atMs - returned.atMs)
    const [, reconnecting] = site.connections
    console.info(
      `bfcache: server saw ${reconnecting!.closed!.code} "${reconnecting!.closed!.reason}"; attempts ` +
        `${attemptedInMs} ms after pageshow, at the server after ${site.connections.slice(-2).map(({ atMs }) => atMs - returned.atMs)} ms`,
    )
    expect(returned.persisted).toBe(true)
    for (const { closed } of site.connections.slice(0, 2)) expect([1000, 4702]).toContain(closed!.code)
    for (const ms of attemptedInMs) expect(ms).toBeLessThan(500)
    expect(await tab.events('heartbeat')).toMatchObject([{ type: 'open' }, { type: 'close', code: 4702 }])
    for (const name of ['reconnecting', 'waiting']) {
      await until(`${name} to be open`, () => page.evaluate((name) => watched[name]!.socket.readyState === 1, name))
    }
    const states = (await tab.events('reconnecting')).flatMap(({ state }) => state ?? [])
    expect(states).toEqual(['open', 'suspended', 'connecting', 'open'])
  })

  // field-notes.md: "A visibility handler that reconnects a connection the user had closed"
  test('does not bring back what the application had closed', async ({ tab, site, expect }) => {
    const { page } = tab
    await open(tab, site.url, 60_000)
    await page.evaluate((url) => {
      const closing = new heartline.ReconnectingWebSocket(url)
      watch('closing', closing)
      addEventListener('pagehide', () => closing.close())
      watched['reconnecting']!.socket.close()
    }, site.url)
    await until('one to be closed', () => site.connections[1]!.closed)
    await until('the third connection', () => page.evaluate(() => watched['closing']!.socket.readyState === 1))
    await page.goto(`${site.origin}/dist/websocket.js`)
    await sleep(500)
    await page.goBack()
    const isRestored = (): Promise<boolean> => page.evaluate(() => signals.at(-1)?.persisted === true)
    await until('pageshow', isRestored)
    await sleep(1_000)
    await page.evaluate(() => {
      dispatchEvent(new Event('online'))
      for (const type of ['visibilitychange', 'resume']) document.dispatchEvent(new Event(type))
    })
    await sleep(1_500)
    expect(site.connections).toHaveLength(3)
    expect(await page.evaluate(() => Object.values(watched).map(({ socket }) => socket.readyState))).toEqual([3, 3, 3])
  })
})
