import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Build {
  /** The folder that holds `websocket.js`. */
  readonly folder: string
  remove(): Promise<void>
}

/**
 * Builds the package as `npm run build` does, into a folder of its own, since `dist` may be old or missing.
 * `HEARTLINE_DIST` names a folder to test as it is.
 */
export async function build(): Promise<Build> {
  const given = process.env['HEARTLINE_DIST']
  if (given) return { folder: given, remove: () => Promise.resolve() }
  const folder = await mkdtemp(join(tmpdir(), 'heartline-dist-'))
  const tsdown = join(root, 'node_modules/tsdown/dist/run.mjs')
  await promisify(execFile)(process.execPath, [tsdown, '--out-dir', folder, '--no-dts', '--log-level', 'error'], {
    cwd: root,
  })
  return { folder, remove: () => rm(folder, { recursive: true }) }
}
