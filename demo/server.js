// @ts-check
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { HostReadings } from './host-readings.js'
import { ReadingsServer } from './readings-server.js'
import { Stage } from './stage.js'

/** @import { IncomingMessage, ServerResponse } from 'node:http' */

const DEFAULT_PORT = 4747
const MAX_WATCHERS = 50
const TYPES = {
  html: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
  map: 'application/json',
}
/** What is served, and nothing else; the names are too plain to lead out of a folder. @type {[RegExp, string][]} */
const FILES = [
  [/^\/$/, './public/index.html'],
  [/^\/([a-z-]+\.(?:css|js|svg))$/, './public/$1'],
  // The package as it is published: the page needs no bundler.
  [/^\/heartline\/([a-z-]+\.js(?:\.map)?)$/, '../dist/$1'],
]

/** A browser takes an import map only from the page itself, and then only if it is known to be ours. */
const page = await readFile(new URL('./public/index.html', import.meta.url), 'utf8')
const [, importMap = ''] = /<script type="importmap">([^]*?)<\/script>/.exec(page) ?? []
const importMapHash = `'sha256-${createHash('sha256').update(importMap).digest('base64')}'`
/** @type {Set<string>} */
const hosts = new Set()
const isLocal = (/** @type {string | undefined} */ origin) =>
  origin === undefined || (origin.startsWith('http://') && hosts.has(origin.slice('http://'.length)))

const readings = new HostReadings()
const stage = new Stage(new ReadingsServer(readings, isLocal))
/** @type {Set<ServerResponse>} Pages that are told the state of the stage (server-sent events). */
const watchers = new Set()
const http = createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error)
    response.destroy()
  })
})

await stage.start()
const port = await listen()
for (const name of ['127.0.0.1', 'localhost']) hosts.add(`${name}:${port}`)
const tellAll = () => watchers.forEach(tell)
stage.onChange(tellAll)
const heartbeat = setInterval(tellAll, 500)
console.log(`heartline demo: http://127.0.0.1:${port} (Ctrl-C ends it)`)

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop)

/** @returns {Promise<number>} the port: `PORT`, or the default one, or a free one if the default one is taken */
async function listen() {
  const wanted = process.env['PORT']
  if (wanted !== undefined && !/^\d{1,5}$/.test(wanted))
    fail(`Expected PORT to be a number from 0 to 65535, got ${wanted}.`)
  try {
    http.listen(wanted === undefined ? DEFAULT_PORT : Number(wanted), '127.0.0.1')
    await once(http, 'listening')
  } catch (error) {
    if (wanted !== undefined) fail(`Cannot listen on port ${wanted}: ${/** @type {Error} */ (error).message}`)
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
  }
  return /** @type {import('node:net').AddressInfo} */ (http.address()).port
}

/**
 * Only this machine's own page may look or press: another site that a browser has open could reach this port too, by
 * its address or by a name that it lets point here (DNS rebinding).
 *
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 */
async function handle(request, response) {
  const { method, headers } = request
  const [pathname = '/'] = request.url?.split('?') ?? []
  response.setHeader('cache-control', 'no-store')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  if (!hosts.has(headers.host ?? '') || !isLocal(headers.origin))
    return answer(response, 403, 'Only from this machine.')
  const [pattern, file] = FILES.find(([pattern]) => pattern.test(pathname)) ?? []
  if (pattern && file && (method === 'GET' || method === 'HEAD'))
    return sendFile(response, pathname.replace(pattern, file))
  if (pathname === '/api/state' && method === 'GET') return sendState(response)
  if (pathname === '/api/watch' && method === 'GET') return watch(response)
  const [, name] = /^\/api\/([a-z-]+)$/.exec(pathname) ?? []
  if (name === undefined || !Object.hasOwn(stage.actions, name)) return answer(response, 404, 'Not found.')
  if (method !== 'POST') return answer(response, 405, 'Use POST.')
  stage.actions[/** @type {keyof typeof stage.actions} */ (name)]()
  sendState(response)
}

/**
 * @param {ServerResponse} response
 * @param {string} file
 */
async function sendFile(response, file) {
  const body = await readFile(new URL(file, import.meta.url)).catch(() => undefined)
  if (!body) return answer(response, 404, 'Not found.')
  const type = TYPES[/** @type {keyof typeof TYPES} */ (file.slice(file.lastIndexOf('.') + 1))]
  const sockets = Object.values(stage.urls).join(' ')
  response.setHeader('content-type', `${type}; charset=utf-8`)
  response.setHeader(
    'content-security-policy',
    `default-src 'self'; script-src 'self' ${importMapHash}; connect-src 'self' ${sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  response.end(body)
}

/** @param {ServerResponse} response */
function sendState(response) {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(state()))
}

/** @param {ServerResponse} response */
function watch(response) {
  if (watchers.size >= MAX_WATCHERS) return answer(response, 503, 'Too many pages.')
  watchers.add(response)
  response.once('close', () => watchers.delete(response))
  response.setHeader('content-type', 'text/event-stream')
  tell(response)
}

/** @param {ServerResponse} response */
function tell(response) {
  if (response.writableLength > 65_536) response.destroy()
  else response.write(`data: ${JSON.stringify(state())}\n\n`)
}

function state() {
  return { ...stage.snapshot(), latest: readings.latest?.n ?? 0 }
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {string} text
 */
function answer(response, status, text) {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text + '\n')
}

async function stop() {
  clearInterval(heartbeat)
  readings.stop()
  http.close()
  http.closeAllConnections()
  await stage.stop()
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message)
  process.exit(1)
}
