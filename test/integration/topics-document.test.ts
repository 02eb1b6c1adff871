import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { installPackage, type InstalledPackage } from './installed-package.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const examplesOf = (path: string): string[] =>
  [...readFileSync(`${root}${path}`, 'utf8').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)
const [pricesServer, pricesClient, stateServer, stateClient, chatServer, chatClient, ...others] =
  examplesOf('docs/topics.md')

let heartline: InstalledPackage
beforeAll(async () => {
  heartline = await installPackage()
})
afterAll(() => heartline.remove())

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A program that runs, and the lines that it prints. */
class Program {
  readonly child: ChildProcess
  readonly #lines: string[] = []
  readonly #reader: Interface

  private constructor(code: string) {
    const args = ['--no-warnings', '--input-type=module', '--eval', code]
    this.child = spawn(process.execPath, args, { cwd: heartline.folder, stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(this.child)
    this.#reader = createInterface({ input: this.child.stdout! })
    this.#reader.on('line', (line) => this.#lines.push(line))
  }

  static start(code: string): Program {
    return new Program(code)
  }

  /** Its next line that matches; those before it are skipped. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      while (this.#lines.length) {
        const line = this.#lines.shift()!
        if (pattern.test(line)) return line
      }
      await once(this.#reader, 'line', { signal: AbortSignal.timeout(30_000) })
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The code of the document, at a port of its own. */
const at = (port: number, code: string): string =>
  code.replaceAll('localhost', '127.0.0.1').replaceAll('8080', String(port))

test('all code of docs/topics.md is run here', () => {
  expect(others).toEqual([])
})

test('the first client of docs/topics.md follows the prices of the first server, one by one', async () => {
  const port = await freePort()
  Program.start(at(port, pricesServer!))
  const client = Program.start(at(port, pricesClient!))
  const [first] = (await client.line(/^\d+ 19\d\d$/)).split(' ')
  const [second] = (await client.line(/^\d+ 19\d\d$/)).split(' ')
  expect(Number(second)).toBe(Number(first) + 1)
})

test('the client with a snapshot misses no change and makes none twice, nor after a restart of the server', async () => {
  const port = await freePort()
  // As fast as can be: so that something always changes while the state is loaded.
  const busyServer = at(port, stateServer!.replace(', 100)', ', 1)'))
  const server = Program.start(busyServer)
  const client = Program.start(at(port, stateClient!))
  const follows = async (reason: string): Promise<void> => {
    let [, price] = (await client.line(new RegExp(`^${reason} `))).split(' ').map(Number)
    for (let count = 0; count < 20; count++) {
      const [name, next] = (await client.line(/./)).split(' ')
      expect([name, Number(next)]).toEqual(['gold', price! + 1])
      price = Number(next)
    }
  }
  await follows('initial')
  server.child.kill('SIGKILL')
  await once(server.child, 'exit')
  Program.start(busyServer)
  await follows('generation')
})

test('the chat room of docs/topics.md tells each what others say, and those who come later what was said', async () => {
  const port = await freePort()
  Program.start(at(port, chatServer!))
  const ann = Program.start(at(port, chatClient!))
  const bob = Program.start(at(port, chatClient!.replace("'ann'", "'bob'").replace("'hello'", "'hi'")))
  expect(await ann.line(/./)).toBe('bob is here')
  expect(await ann.line(/./)).toBe('bob: hi')
  const eve = Program.start(`${at(port, chatClient!.replace("'ann'", "'eve'"))}\nsession.close()`)
  const said = []
  for (let count = 0; count < 4; count++) said.push(await eve.line(/./))
  expect(said.toSorted()).toEqual(['ann is here', 'ann: hello', 'bob is here', 'bob: hi'])
  for (const one of [ann, bob]) expect(await one.line(/eve/)).toBe('eve is here')
  expect(await bob.line(/gone/)).toBe('eve is gone')
})
