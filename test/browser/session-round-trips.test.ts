import { createServer } from '../../src/server/index.ts'
import { describeInChromium, until } from './browser-test.ts'
import { test } from './session-test.ts'

/** Of the path, each way. */
const DELAY_MS = 50
/** A busy machine is late in one of them, or in some, but not in all. */
const TRIALS = 5

// What the test defines in the page.
declare global {
  var arrivedAtMs: number[]
  var goOn: () => void
  var isOpen: boolean
}

describeInChromium('after a cut, what a page has missed is there', () => {
  for (const [name, auth, least, most] of [
    ['one round trip after TCP, the upgrade’s own', undefined, 0.9, 1.6],
    ['two, if the HELLO is too large for the upgrade request', 'x'.repeat(5_000), 1.6, 2.6],
  ] as const) {
    test(name, async ({ page, scene, expect }) => {
      const server = createServer({ port: 0, allowedOrigins: '*' })
      scene.atEnd(() => server.close())
      const proxy = await scene.proxy(await server.listening)
      await page.evaluate(
        (url, auth) => {
          let isFirst = true
          globalThis.arrivedAtMs = []
          const session = connect(
            async () => {
              if (!isFirst) await new Promise<void>((resolve) => (globalThis.goOn = resolve))
              isFirst = false
              return url
            },
            { auth: auth ?? null, reconnect: { minDelayMs: 1, maxDelayMs: 20 } },
          )
          session.on('message', () => void arrivedAtMs.push(performance.now()))
          session.on('state', ({ state }) => (globalThis.isOpen = state === 'open'))
        },
        proxy.url,
        auth,
      )
      const session = await until('the session', () => [...server.sessions()][0])
      // Not only at the server: a WELCOME that is cut off would leave a session that the page does not know.
      await until('the connection', () => page.evaluate(() => globalThis.isOpen))
      proxy.delay(DELAY_MS)
      const roundTrips: number[] = []
      for (let trial = 1; trial <= TRIALS; trial++) {
        proxy.reset()
        await until('the server to know', () => !session.isConnected)
        await session.send(`missed ${trial}`)
        await until('the page to ask for the URL', () => page.evaluate(() => 'goOn' in globalThis))
        await page.evaluate(() => {
          goOn()
          Reflect.deleteProperty(globalThis, 'goOn')
        })
        await until('what was missed', () => page.evaluate((trial) => arrivedAtMs.length === trial, trial))
        const [madeAt, arrivedAt] = await page.evaluate(() => [madeAtMs.at(-1)!, arrivedAtMs.at(-1)!] as const)
        roundTrips.push((arrivedAt - madeAt) / (2 * DELAY_MS))
      }
      console.info(`resume in Chromium, ${name}: ${Math.min(...roundTrips).toFixed(2)} round trips`)
      expect(server.stats.resumed).toBe(TRIALS)
      expect(Math.min(...roundTrips)).toBeGreaterThan(least)
      expect(Math.min(...roundTrips)).toBeLessThan(most)
    })
  }
})
