import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { bundle } from './bundle.ts'
import { checks } from './fixtures/whatwg-checks.ts'
import type { Results } from './fixtures/whatwg-child.ts'
import { nodeRuntimes } from './node-runtimes.ts'

const names = Object.keys(checks)
let server: WebSocketServer
let url: string

/** What the server does is said by the path. */
function behave(socket: WebSocket, path: URL): void {
  switch (path.pathname) {
    case '/burst':
      for (const text of ['one', 'two', 'three']) socket.send(text)
      socket.close(1000)
      break
    case '/close': {
      const code = path.searchParams.get('code')
      if (code) socket.close(Number(code), path.searchParams.get('reason') ?? '')
      else socket.close()
      break
    }
    case '/cut':
      socket.terminate()
      break
    case '/stream': {
      const streaming = setInterval(() => socket.send('news'), 1)
      socket.on('close', () => clearInterval(streaming))
      break
    }
    default:
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  }
}

beforeAll(async () => {
  server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== '/refused',
  })
  server.on('connection', (socket, request) => behave(socket, new URL(request.url!, 'ws://localhost')))
  await once(server, 'listening')
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  for (const client of server.clients) client.terminate()
  server.close()
})

describe('over ws', { concurrent: true }, () => {
  test.each(names)('%s', (name) => checks[name]!({ WebSocket, isWs: true, url }))
})

describe.each(nodeRuntimes)('over $name', ({ isMissing, execPath, execArgv }) => {
  let results: Results
  beforeAll(async () => {
    if (isMissing) return
    const child = await bundle('whatwg-child')
    const runtime = fork(child.file, [url], { execPath, execArgv })
    const exited = once(runtime, 'exit')
    ;[results] = (await Promise.race([
      once(runtime, 'message'),
      exited.then((how) => Promise.reject(new Error(`It ended without results: ${String(how)}`))),
    ])) as [Results]
    await exited
    await child.remove()
  })

  test.skipIf(isMissing).each(names)('%s', (name) => {
    expect(results[name]).toBeNull()
  })
})
