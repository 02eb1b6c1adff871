import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { WebSocketServer } from 'ws'
import { bundle } from './bundle.ts'
import type { LeaksReport } from './fixtures/leaks-child.ts'
import { test } from './scene.ts'

const SOCKETS = 10_000
/** A socket that leaks holds a kilobyte at least. What compiled code grows by comes to a tenth of that. */
const MAX_BYTES_PER_SOCKET = 300

/** Answers heartbeats and echoes; on `/terminated` it cuts every connection, on `/mute` it never says anything. */
async function startServer() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 1_000 })
  server.on('connection', (socket, { url }) => {
    if (url === '/terminated') socket.terminate()
    else if (url !== '/mute')
      socket.on('message', (data) => socket.send(String(data) === 'ping' ? 'pong' : String(data)))
  })
  await once(server, 'listening')
  return server
}

test('ten thousand sockets that were closed in every way leave no handle, no timer, no listener and no memory', async ({
  scene,
}) => {
  const server = await startServer()
  scene.atEnd(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const child = await bundle('leaks-child')
  scene.atEnd(() => child.remove())
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const subject = fork(child.file, [url, await scene.deadUrl(), String(SOCKETS)], { execArgv: ['--expose-gc'] })
  const exited = once(subject, 'exit')
  scene.atEnd(async () => {
    if (subject.exitCode === null && subject.kill('SIGKILL')) await exited
  })
  const [report] = (await Promise.race([
    once(subject, 'message'),
    exited.then(() => Promise.reject(new Error('It ended without a report.'))),
  ])) as [LeaksReport]
  const { before, after, lives, tookMs } = report
  const perSocket = (after.heapBytes - before.heapBytes) / SOCKETS
  console.info(
    `${SOCKETS} sockets in ${tookMs.toFixed(0)} ms leave ${perSocket.toFixed(1)} bytes each; alive: ${after.resources}`,
  )

  expect(Object.keys(lives)).toHaveLength(16)
  for (const [life, count] of Object.entries(lives)) expect(count, life).toBeGreaterThan(SOCKETS / 17)
  expect(after.listeners).toBe(0)
  expect(after.resources).toEqual(before.resources)
  expect(perSocket).toBeLessThan(MAX_BYTES_PER_SOCKET)
  // Nothing keeps the process: it ends by itself.
  expect(await exited).toEqual([0, null])
})
