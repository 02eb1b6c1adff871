// Fails if the lock file lacks optional packages that it names: `npm ci` of npm 11 refuses such a lock, and an existing
// node_modules hides it.
import { readFileSync } from 'node:fs'

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
  Object.keys(optionalDependencies).filter(
    (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
  ),
)
if (missing.length) {
  console.log(`The lock file has no entry for ${missing.join(', ')}`)
  process.exitCode = 1
}
