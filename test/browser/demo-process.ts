import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const START_TIMEOUT_MS = 20_000

export interface Demo {
  readonly url: string
  /** Asks the server itself, beside all connections. */
  post(path: string): Promise<any>
  /** Ends the process as Ctrl-C does. @returns its exit code, or signal */
  stop(): Promise<number | string | null>
}

/**
 * Starts the demo as `npm start` does, on a free port, with a package that was built just now: in a folder of its own,
 * since `dist` may be old or missing.
 */
export async function startDemo(dist: string): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'heartline-demo-'))
  await cp(join(root, 'demo'), join(folder, 'demo'), { recursive: true })
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await cp(dist, join(folder, 'dist'), { recursive: true })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const child = spawn(process.execPath, ['demo/server.js'], {
    cwd: folder,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | string | null>(
    (resolve) => void child.once('close', (code, signal) => resolve(code ?? signal)),
  )
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<number | string | null> => {
    child.kill('SIGINT')
    const result = await exited
    process.off('exit', kill)
    await rm(folder, { recursive: true, force: true })
    return result
  }
  const errors: string[] = []
  child.stderr.on('data', (chunk) => errors.push(String(chunk)))
  try {
    const lines = createInterface({ input: child.stdout, signal: AbortSignal.timeout(START_TIMEOUT_MS) })
    for await (const line of lines) {
      const [url] = /http:\S+/.exec(line) ?? []
      if (!url) continue
      return {
        url,
        post: async (path) => (await fetch(new URL(path, url), { method: 'POST' })).json(),
        async stop() {
          const result = await stop()
          if (errors.length) throw new Error(`The demo complained:\n${errors.join('')}`)
          return result
        },
      }
    }
  } catch {
    // It said nothing.
  }
  await stop()
  throw new Error(`The demo did not start:\n${errors.join('')}`)
}
