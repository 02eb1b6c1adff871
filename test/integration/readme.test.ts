import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
/** The README's code, in order; it finds the built package by its name, as a user's code does. */
const [sessionClient, sessionServer, topicServer, topicClient, client, server, library] = [
  ...readme.matchAll(/```js\n(.*?)```/gs),
].map(([, code]) => code!)

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function run(code: string): ChildProcess {
  const args = ['--experimental-websocket', '--no-warnings', '--input-type=module', '--eval', code]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

async function output(child: ChildProcess): Promise<string> {
  const [text] = (await once(child.stdout!, 'data')) as [Buffer]
  return String(text).trim()
}

beforeAll(() => {
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'pipe' })
})

/** Starts the code of a session server. @returns its port */
async function serve(code: string): Promise<string> {
  const host = run(`${code.replace('8080', '0')}\nserver.listening.then(({ port }) => console.log('port ' + port))`)
  return (await output(host)).slice('port '.length)
}

test('the session client and server of the README understand each other', async () => {
  const port = await serve(sessionServer!)
  const child = run(
    `${sessionClient!.replace('ws://localhost:8080', `ws://127.0.0.1:${port}`)}\nconsole.log('acknowledged')\nsession.close()`,
  )
  const lines: string[] = []
  child.stdout!.on('data', (text) => lines.push(...String(text).trim().split('\n')))
  await once(child, 'exit')
  expect(lines.toSorted()).toEqual(['acknowledged', 'you said hello'])
})

test('the client of the README gets what its server publishes', async () => {
  const port = await serve(topicServer!)
  const child = run(topicClient!.replace('localhost:8080', `127.0.0.1:${port}`))
  expect(await output(child)).toMatch(/^gold 19\d\d/)
})

test('the client of the README sends what it held and prints what it gets', async () => {
  const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(echo, 'listening')
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
  const url = `ws://127.0.0.1:${(echo.address() as AddressInfo).port}`
  const child = run(client!.replace('wss://example.com/live', url))
  expect(await output(child)).toBe('held until the connection is open')
  child.kill('SIGKILL')
  await new Promise((resolve) => echo.close(resolve))
})

test('the server of the README answers heartbeats and messages', async () => {
  const child = run(`${server!.replace('8080', '0')}\nserver.on('listening', () => console.log(server.address().port))`)
  const socket = new WebSocket(`ws://127.0.0.1:${await output(child)}`)
  await once(socket, 'open')
  socket.send('ping')
  expect(String((await once(socket, 'message'))[0])).toBe('pong')
  socket.send('hello')
  expect(String((await once(socket, 'message'))[0])).toBe('you said hello')
  socket.terminate()
})

test('the README gives graphql-ws a class that it takes', async () => {
  const child = run(`${library!}\nconsole.log(typeof client.subscribe)`)
  expect(await output(child)).toBe('function')
})

test('the code of the README is short: ten lines at most', () => {
  for (const code of [sessionClient!, sessionServer!, topicServer!, topicClient!, client!, server!]) {
    expect(code.split('\n').filter((line) => line.trim()).length).toBeLessThanOrEqual(10)
  }
})
