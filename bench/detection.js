// How long clients take to notice a dead path and to try again, on each runtime that is there. `node bench/detection.js`
// All clients and faults run at the same time, each behind a proxy of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import puppeteer from 'puppeteer-core'
import { WebSocketServer } from 'ws'
import { faultProxy } from '../dist/testing.js'

const WATCH_MS = Number(process.env.WATCH_MS ?? 75_000)
/** Long enough for a heartbeat to be lost; from then on new connections work. */
const FAULT_MS = 2_500
const FAULTS = ['both', 'clientToServer', 'serverToClient']
const NAMES = [
  'HeartbeatWebSocket',
  'ReconnectingWebSocket',
  'plain recipe',
  'websocket-heartbeat-js 1.1.3',
  'reconnecting-websocket 4.4.0',
  'partysocket 1.3.0',
]

const folder = await mkdtemp(join(tmpdir(), 'heartline-bench-'))
const bundle = join(folder, 'clients.js')
await build({
  entryPoints: [fileURLToPath(new URL('detection-clients.js', import.meta.url))],
  bundle: true,
  format: 'iife',
  outfile: bundle,
  logLevel: 'error',
})

/** A runtime starts the clients at their URLs and reports the names of those that have ended by themselves. */
function inNode(command, args, getWebSocket) {
  return async (urls, ended) => {
    const script = join(folder, `${Math.random()}.cjs`)
    await writeFile(
      script,
      `require(${JSON.stringify(bundle)})
       process.on('uncaughtException', (error) => process.env.DEBUG && console.error(error))
       startClients(${JSON.stringify(urls)}, ${getWebSocket}, (name) => console.log(name))`,
    )
    const child = spawn(command, [...args, script], { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.setEncoding('utf8').on('data', (text) => text.trim().split('\n').forEach(ended))
    return () => child.kill('SIGKILL')
  }
}

async function inChromium(urls, ended) {
  const server = createServer((_, response) => response.end('<!doctype html>')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const browser = await puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-sync',
      '--disable-component-update',
      '--no-first-run',
    ],
  })
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${server.address().port}/`, { waitUntil: 'domcontentloaded' })
  await page.exposeFunction('ended', ended)
  await page.addScriptTag({ path: bundle })
  await page.evaluate((urls) => globalThis.startClients(urls, WebSocket, (name) => globalThis.ended(name)), urls)
  return async () => {
    await browser.close()
    server.close()
  }
}

const node22 = fileURLToPath(new URL('../test/runtimes/node_modules/node22/bin/node', import.meta.url))
const wsPath = JSON.stringify(fileURLToPath(new URL('../node_modules/ws/index.js', import.meta.url)))
const runtimes = { [`Node ${process.version}, ws`]: inNode(process.execPath, [], `require(${wsPath}).WebSocket`) }
if (existsSync(node22)) runtimes['Node 22, global WebSocket'] = inNode(node22, [], 'WebSocket')
if (existsSync('/usr/bin/chromium')) runtimes.Chromium = inChromium

/** The attempt that follows the fault, and when it was open, in milliseconds after the fault. */
async function watch(start, direction) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket) => {
    socket.on('message', (data) => String(data) === 'ping' && socket.send('pong'))
    socket.on('error', () => {})
  })
  await once(server, 'listening')
  const { port } = server.address()
  const proxies = await Promise.all(NAMES.map(() => faultProxy({ target: port })))
  const results = Object.fromEntries(NAMES.map((name) => [name, undefined]))
  let faultAt = Infinity
  const note = (name) => {
    if (performance.now() > faultAt) results[name] ??= Math.round(performance.now() - faultAt)
  }
  proxies.forEach((proxy, index) => proxy.on('open', () => note(NAMES[index])))
  const stop = await start(Object.fromEntries(proxies.map((proxy, index) => [NAMES[index], proxy.url])), note)
  while (server.clients.size < NAMES.length) await new Promise((resolve) => setTimeout(resolve, 50))
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  faultAt = performance.now()
  for (const proxy of proxies) proxy.blackHole(direction)
  setTimeout(() => proxies.forEach((proxy) => proxy.heal()), FAULT_MS)
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS))
  await stop()
  await Promise.all(proxies.map((proxy) => proxy.close()))
  for (const client of server.clients) client.terminate()
  server.close()
  return results
}

/** @returns for each runtime, fault and client the milliseconds to the next attempt (or, without reconnecting, to `close`) */
export async function measureDetection() {
  const rows = []
  for (const [runtime, start] of Object.entries(runtimes)) {
    const results = await Promise.all(FAULTS.map((direction) => watch(start, direction)))
    for (const name of NAMES) {
      const row = { runtime, client: name }
      FAULTS.forEach((direction, index) => (row[direction] = results[index][name]))
      rows.push(row)
    }
  }
  await rm(folder, { recursive: true })
  return { intervalMs: 2_000, timeoutMs: 1_000, watchedMs: WATCH_MS, rows }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rows } = await measureDetection()
  console.table(
    rows.map((row) => ({ ...row, ...Object.fromEntries(FAULTS.map((f) => [f, row[f] ?? `> ${WATCH_MS}`])) })),
  )
}
