// Everything that is measured, in one run: sizes, the guard, detection. `npm run bench`
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

for (const script of ['sizes.js', 'guard.js', 'detection.js']) {
  console.log(`\n${script}`)
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], {
    stdio: 'inherit',
  })
  if (status) process.exitCode = status
}
