// @ts-check
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { HostReadings } from './host-readings.js'
import { MAX_TEXT_LENGTH } from './limits.js'
import { Visitors } from './visitors.js'

/** @import { IncomingMessage, ServerResponse } from 'node:http' */
/** @import { Visitor } from './visitors.js' */

const DEFAULT_PORT = 4747
const MAX_BODY_BYTES = 4_096
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
  // The package as it is published, with the files that its entries share: the page needs no bundler.
  [/^\/heartline\/([a-z0-9-]+\.js(?:\.map)?)$/, '../dist/$1'],
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
const visitors = new Visitors(readings, isLocal)
const http = createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error)
    response.destroy()
  })
})

const port = await listen()
for (const name of ['127.0.0.1', 'localhost']) hosts.add(`${name}:${port}`)
const heartbeat = setInterval(() => visitors.tick(), 500)
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
  if (pathname === '/api/visit') return method === 'POST' ? visit(response) : answer(response, 405, 'Use POST.')
  const [, id = '', name = ''] = /^\/api\/([0-9a-f-]{36})\/([a-z-]+)$/.exec(pathname) ?? []
  const visitor = visitors.get(id)
  if (!visitor) return answer(response, 404, 'Not found.')
  if (name === 'watch' && method === 'GET')
    return visitor.watch(response) || answer(response, 503, 'Watched too often.')
  if (method !== 'POST') return answer(response, 405, 'Use POST.')
  await act(visitor, name, request, response)
}

/**
 * A page begins. Another tab is another visitor, also if the browser made it by duplicating the first one.
 *
 * @param {ServerResponse} response
 */
async function visit(response) {
  const visitor = await visitors.add()
  if (visitor) sendJson(response, visitor.state())
  else answer(response, 503, 'Too many pages.')
}

/**
 * @param {Visitor} visitor
 * @param {string} name
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 */
async function act(visitor, name, request, response) {
  const { actions } = visitor.stage
  if (name === 'leave') {
    await visitors.remove(visitor)
    answer(response, 200, 'Bye.')
  } else if (name === 'notify') {
    const note = asNote(await readBody(request))
    if (note) sendJson(response, visitors.notify(visitor, note))
    else answer(response, 400, `Expected a note: a number and at most ${MAX_TEXT_LENGTH} characters.`)
  } else if (Object.hasOwn(actions, name)) {
    actions[/** @type {keyof typeof actions} */ (name)]()
    sendJson(response, visitor.state())
  } else answer(response, 404, 'Not found.')
}

/** @param {IncomingMessage} request @returns {Promise<string>} the body, cut off where it is too long */
async function readBody(request) {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk
    if (body.length > MAX_BODY_BYTES) break
  }
  return body
}

/** @param {string} body */
function asNote(body) {
  try {
    const { id, text } = JSON.parse(body)
    if (Number.isSafeInteger(id) && typeof text === 'string' && text.length <= MAX_TEXT_LENGTH) return { id, text }
  } catch {
    // No JSON.
  }
  return undefined
}

/**
 * @param {ServerResponse} response
 * @param {string} file
 */
async function sendFile(response, file) {
  const body = await readFile(new URL(file, import.meta.url)).catch(() => undefined)
  if (!body) return answer(response, 404, 'Not found.')
  const type = TYPES[/** @type {keyof typeof TYPES} */ (file.slice(file.lastIndexOf('.') + 1))]
  response.setHeader('content-type', `${type}; charset=utf-8`)
  response.setHeader(
    'content-security-policy',
    `default-src 'self'; script-src 'self' ${importMapHash}; connect-src 'self' ws://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  response.end(body)
}

/** @param {ServerResponse} response @param {unknown} value */
function sendJson(response, value) {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
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
  await visitors.stop()
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message)
  process.exit(1)
}
