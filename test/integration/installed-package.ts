import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface InstalledPackage {
  readonly folder: string
  remove(): Promise<void>
}

/** Builds the package into a folder of its own, laid out as npm installs it: other tests build it too, at any time. */
export async function installPackage(): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'heartline-package-'))
  await build({ cwd: root, outDir: join(folder, 'dist'), dts: false, logLevel: 'error' })
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  return { folder, remove: () => rm(folder, { recursive: true }) }
}
