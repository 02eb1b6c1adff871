import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundle, type Bundle } from './bundle.ts'
import { isMissing } from './prerequisite.ts'

/** Two hosts with a network of their own: here the kernels at both ends are out of reach of each other, too. */

const hosts = { server: `hls${process.pid}`, client: `hlc${process.pid}` }
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })

function removeHosts(): void {
  for (const host of Object.values(hosts)) {
    try {
      ip('netns', 'del', host)
    } catch {
      // It was not there.
    }
  }
}

function makeHosts(): boolean {
  try {
    for (const host of Object.values(hosts)) ip('netns', 'add', host)
    ip('link', 'add', 'v0', 'netns', hosts.server, 'type', 'veth', 'peer', 'name', 'v0', 'netns', hosts.client)
    ip('-n', hosts.server, 'addr', 'add', '10.77.0.1/24', 'dev', 'v0')
    ip('-n', hosts.client, 'addr', 'add', '10.77.0.2/24', 'dev', 'v0')
    for (const host of Object.values(hosts)) {
      ip('-n', host, 'link', 'set', 'lo', 'up')
      ip('-n', host, 'link', 'set', 'v0', 'up')
    }
    return true
  } catch {
    removeHosts()
    return false
  }
}

const isSkipped = isMissing('network namespaces (root and iproute2)', makeHosts())

interface Said {
  readonly client?: string
  readonly event: string
  readonly code?: number
  readonly data?: string
  readonly maxSilenceMs?: number
  readonly atMs?: number
}

/** A program on a host, and the lines that it prints. */
class Program {
  readonly child: ChildProcess
  readonly said: Said[] = []
  #waiting: (() => void)[] = []

  constructor(host: string, file: string) {
    this.child = spawn('ip', ['netns', 'exec', host, process.execPath, file], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.said.push(JSON.parse(line) as Said)
      for (const look of this.#waiting.splice(0)) look()
    })
  }

  /** Resolves with the first line that fits, said after the first `after` lines. */
  async says(what: Partial<Said>, after = 0): Promise<Said> {
    for (;;) {
      const found = this.said
        .slice(after)
        .find((line) => Object.entries(what).every(([name, value]) => line[name as keyof Said] === value))
      if (found) return found
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`not said: ${JSON.stringify(what)}, but ${JSON.stringify(this.said)}`)),
          20_000,
        )
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}

const bundles: Bundle[] = []
const programs: Program[] = []
beforeAll(async () => {
  if (!isSkipped) bundles.push(await bundle('namespace-server'), await bundle('namespace-client'))
})
afterAll(async () => {
  for (const { child } of programs) child.kill('SIGKILL')
  for (const made of bundles) await made.remove()
  if (!isSkipped) removeHosts()
})

test.skipIf(isSkipped)(
  'a link that is really dead is noticed at both ends, and left for a new one when it is back',
  async () => {
    const server = new Program(hosts.server, bundles[0]!.file)
    programs.push(server)
    await server.says({ event: 'listening' })
    const client = new Program(hosts.client, bundles[1]!.file)
    programs.push(client)
    for (const name of ['raw', 'single', 'lasting']) await client.says({ client: name, event: 'open' })

    const spoken = client.said.length
    const downAtMs = Math.max(...client.said.map(({ atMs }) => atMs!))
    ip('-n', hosts.server, 'link', 'set', 'v0', 'down')
    const closed = await client.says({ client: 'single', event: 'close' }, spoken)
    const left = await client.says({ client: 'lasting', event: 'close' }, spoken)
    expect([closed.code, left.code]).toEqual([4701, 4701])
    // The bound is 1.5 s; the rest is for a busy machine.
    expect(closed.atMs! - downAtMs).toBeLessThan(1_500 + 3_000)
    const ghost = await server.says({ event: 'ghost' })
    console.info(
      `namespace: client ${Math.round(closed.atMs! - downAtMs)} ms, server ${Math.round(ghost.maxSilenceMs!)} ms (bound 1500 ms)`,
    )
    expect(client.said.some(({ client: name, event }) => name === 'raw' && event === 'close')).toBe(false)

    const heard = client.said.length
    ip('-n', hosts.server, 'link', 'set', 'v0', 'up')
    await client.says({ client: 'lasting', event: 'open' }, heard)
    client.child.stdin!.write('back again\n')
    await client.says({ client: 'lasting', event: 'message', data: 'back again' }, heard)
  },
)
