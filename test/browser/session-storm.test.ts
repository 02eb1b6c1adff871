import { startChild } from '../integration/child.ts'
import { startTraffic, type Traffic } from '../integration/fixtures/traffic.ts'
import {
  clientOptions,
  heartbeat,
  PER_SECOND,
  storm,
  STORM_TIMEOUT_MS,
  weather,
  type ClientReport,
} from '../integration/storm.ts'
import { describeInChromium, until } from './browser-test.ts'
import { test } from './session-test.ts'

// What the test defines in the page.
declare global {
  var traffic: Traffic
  var told: ClientReport['told']
  var states: object[]
}

describeInChromium('a storm', () => {
  test(
    'takes nothing from a page and a server that talk through every fault, repeats nothing and reorders nothing',
    { timeout: STORM_TIMEOUT_MS },
    async ({ page, scene }) => {
      const drawn = storm('Chromium')
      const server = await startChild(scene, 'storm-server-child', { perSecond: PER_SECOND, heartbeat })
      const proxy = await scene.proxy({ port: await server.ready })
      await page.evaluate(`globalThis.startTraffic = ${startTraffic}`)
      await page.evaluate(
        (url, options, perSecond) => {
          const session = connect(url, options)
          const told = { resumed: 0, gaps: 0, lost: 0, connections: 0 }
          session.on('resumed', () => told.resumed++)
          session.on('gap', () => told.gaps++)
          session.on('lost', ({ messages }) => (told.lost += messages.length))
          globalThis.states = []
          session.on('state', (event) => {
            states.push({ ...event, pending: session.pending })
            if (event.state === 'open') told.connections++
          })
          globalThis.told = told
          globalThis.traffic = (globalThis as any).startTraffic(session, 'c', perSecond)
        },
        proxy.url,
        clientOptions,
        PER_SECOND,
      )
      // Before it has its first WELCOME, there is no session that could be kept.
      await until('the connection', () => page.evaluate(() => told.connections))
      await weather('Chromium', drawn, proxy, server, {
        stop: () => page.evaluate(() => traffic.stop()),
        report: () => page.evaluate(() => ({ ...traffic.report(), told })),
        status: () => page.evaluate(() => ({ told, states: states.slice(-10) })),
      })
    },
  )
})
