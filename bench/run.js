// Everything that is measured, in one run, or what is named. `npm run bench`, `npm run bench -- echo push`
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BENCHMARKS = [
  'sizes',
  'guard',
  'detection',
  'echo',
  'push',
  'idle',
  'resume',
  'broadcast',
  'publish',
  'replay',
  'topic-memory',
  'sessions-50k',
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !BENCHMARKS.includes(name))
if (unknown.length) {
  console.error(`No benchmark ${unknown.join(', ')}. There are ${BENCHMARKS.join(', ')}.`)
  process.exit(1)
}
for (const name of wanted.length ? wanted : BENCHMARKS) {
  console.log(`\n${name}`)
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`${name}.js`, import.meta.url))], {
    stdio: 'inherit',
  })
  // A benchmark that a signal has ended has no status.
  if (status !== 0) process.exitCode = status ?? 1
}
