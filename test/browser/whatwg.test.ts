import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describeInChromium, test } from './browser-test.ts'
import { trials } from './whatwg-trials.ts'

interface Difference {
  readonly native: unknown
  readonly heartline: unknown
}

/** Where HeartbeatWebSocket differs from the native class. Nothing else may differ. */
const knownDifferences: Record<string, Difference> = {
  // It has one more argument, and none of its arguments are counted or checked as those of a platform object are.
  'class: number of required arguments': { native: 1, heartline: 2 },
  'class: no arguments': { native: 'throws TypeError', heartline: 'a socket' },
  methods: {
    native: [
      ['function', 1],
      ['function', 0],
    ],
    heartline: [
      ['function', 1],
      ['function', 1],
    ],
  },
  'send() of nothing at all': { native: 'throws TypeError', heartline: 'nothing' },
  // It says what it is.
  'class: toString': { native: '[object WebSocket]', heartline: '[object EventTarget]' },
  // Only the platform can make trusted events.
  'events: isTrusted': { native: true, heartline: false },
  // They tell the cause where the runtime tells it.
  'events: fields that only error events have': { native: [], heartline: ['error', 'message'] },
  // Options in the place of the protocols are the likeliest mistake.
  'constructor: protocols an object': {
    native: 'throws DOMException SyntaxError',
    heartline: 'throws HeartlineError',
  },
  // A handler that is an object would never be called; the platform keeps it nevertheless.
  'handlers: values that are kept': {
    native: [null, 'kept', 'kept', 'kept', null, 'kept', null, 'kept', null, 'kept', 'kept', 'kept'],
    heartline: [null, 'kept', 'kept', 'kept', null, 'kept', null, 'kept', null, 'kept', null, 'kept'],
  },
  // The end is the close event.
  'readyState: in the error event of an attempt that fails': { native: 3, heartline: 0 },
  'readyState: in the error event of an attempt that was closed': { native: 3, heartline: 2 },
}

/** A port of 127.0.0.1 where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describeInChromium('the WHATWG interface', () => {
  test('is the same for HeartbeatWebSocket and the native WebSocket', async ({ tab, site, expect }) => {
    const { page } = tab
    const refusedUrl = `ws://127.0.0.1:${await freePort()}/`
    const native = await page.evaluate(trials, 'NativeWebSocket', site.url, refusedUrl)
    const heartline = await page.evaluate(trials, 'HeartbeatWebSocket', site.url, refusedUrl)
    expect(Object.keys(heartline).sort()).toEqual(Object.keys(native).sort())
    const differences: Record<string, Difference> = {}
    for (const what of Object.keys(native)) {
      if (JSON.stringify(native[what]) !== JSON.stringify(heartline[what])) {
        differences[what] = { native: native[what], heartline: heartline[what] }
      }
    }
    console.info(`WHATWG: ${Object.keys(native).length} trials, ${Object.keys(differences).length} differences`)
    expect(differences).toEqual(knownDifferences)
  })
})
