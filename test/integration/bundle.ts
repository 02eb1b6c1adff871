import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

export interface Bundle {
  /** The JavaScript file, for runtimes that do not take TypeScript. */
  readonly file: string
  remove(): Promise<void>
}

/** Bundles a fixture with all that it imports into a temporary folder. */
export async function bundle(name: string): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'heartline-fixture-'))
  const entry = fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url))
  await build({
    config: false,
    entry: { [name]: entry },
    outDir: folder,
    outExtensions: () => ({ js: '.mjs' }),
    format: 'esm',
    platform: 'node',
    // The file stands where no package is found.
    deps: { alwaysBundle: ['ws'] },
    dts: false,
    report: false,
    logLevel: 'error',
  })
  return { file: join(folder, `${name}.mjs`), remove: () => rm(folder, { recursive: true }) }
}
