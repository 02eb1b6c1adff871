import { describeInChromium, sleep, test, until } from './browser-test.ts'

const intervalMs = 1_000
const timeoutMs = 500
/** For a machine that is busy; what is measured on an idle one is printed. */
const slackMs = 1_000

describeInChromium('a path that has died', () => {
  // field-notes.md: "`close()` on a dead path: the `close` event comes after 60.0 s (Chromium 156)"
  for (const direction of ['both', 'clientToServer', 'serverToClient'] as const) {
    test(`is noticed, and replaced without waiting for the old socket: ${direction}`, async ({
      tab,
      proxy,
      expect,
    }) => {
      const { page } = tab
      await page.evaluate(
        (url, intervalMs, timeoutMs) => {
          // Back-off, if there were any, would be long.
          Math.random = () => 0.999
          const reconnect = { minDelayMs: 10_000 }
          const heartbeat = { message: 'ping', isReply: (data: unknown) => data === 'pong', intervalMs, timeoutMs }
          watch('heartbeat', new heartline.HeartbeatWebSocket(url, [], { heartbeat }))
          watch('reconnecting', new heartline.ReconnectingWebSocket(url, [], { heartbeat, reconnect }))
        },
        proxy.url,
        intervalMs,
        timeoutMs,
      )
      const answered = (): Promise<boolean> =>
        page.evaluate(() => nativeSockets.every(({ events }) => events.some(({ data }) => data === 'pong')))
      await until('an answer on both sockets', answered)

      const faultAtMs = Date.now()
      proxy.blackHole(direction)
      // What has been lost by now keeps both connections dead; new ones will work.
      await sleep(intervalMs + timeoutMs / 2)
      proxy.heal()

      const death = await until('the end', async () =>
        (await tab.events('heartbeat')).find(({ type }) => type === 'close'),
      )
      const revival = await until('a new connection', async () =>
        (await tab.events('reconnecting')).filter(({ type }) => type === 'open').at(1),
      )
      await sleep(1_000)
      const reconnecting = await tab.events('reconnecting')
      const natives = await page.evaluate(() => nativeSockets)
      const detectedInMs = death.atMs - faultAtMs
      const attemptedInMs = natives[2]!.atMs - faultAtMs
      console.info(
        `half-open ${direction}: HeartbeatWebSocket closed after ${detectedInMs} ms, ReconnectingWebSocket tried again ` +
          `after ${attemptedInMs} ms and was open after ${revival.atMs - faultAtMs} ms (bound ${intervalMs + timeoutMs} ms)`,
      )
      expect(death).toMatchObject({ code: 4701, wasClean: false })
      expect(reconnecting.find(({ cause }) => cause)).toMatchObject({ type: 'statechange', cause: 'heartbeat' })
      expect(detectedInMs).toBeLessThan(intervalMs + timeoutMs + slackMs)
      expect(attemptedInMs).toBeLessThan(intervalMs + timeoutMs + slackMs)
      expect(natives).toHaveLength(3)
      expect(natives.map(({ events }) => events.filter(({ type }) => type === 'close'))).toEqual([[], [], []])
    })
  }
})
