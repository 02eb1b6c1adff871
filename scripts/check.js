// Runs every static check and prints one line for each. `npm run check`
import { spawnSync } from 'node:child_process'

const checks = {
  'lock file is complete': 'node scripts/check-lock.js',
  // First, since demo and benchmarks import the built package.
  build: 'node scripts/build.js',
  'core compiles without DOM and Node types': 'tsc -p src/core',
  'websocket compiles without Node types': 'tsc -p src/websocket',
  'client compiles without Node types': 'tsc -p src/client',
  'server, stores and testing compile without DOM types': 'tsc -p src/server',
  'command line compiles without DOM types': 'tsc -p src/cli',
  'tests, types and configuration compile': 'tsc -p .',
  'demo and benchmarks compile': 'tsc -p demo',
  lint: 'oxlint --type-aware --deny-warnings',
  'direction of layers, no cycles': 'depcruise --config .dependency-cruiser.cjs src demo/server.js',
  format: 'prettier --check --log-level warn .',
  'package contents': 'publint --strict',
  'types resolve': 'attw --pack . --profile esm-only --quiet',
  'dead exports': 'knip',
  size: 'size-limit --silent',
}

let failed = false
for (const [name, command] of Object.entries(checks)) {
  const [program, ...args] = command.split(' ')
  const { status, stdout, stderr } =
    program === 'node'
      ? spawnSync(process.execPath, args, { encoding: 'utf8' })
      : spawnSync('npx', ['--no-install', program, ...args], { encoding: 'utf8' })
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}`)
  if (status !== 0) {
    failed = true
    console.log(stdout + stderr)
  }
}
process.exitCode = failed ? 1 : 0
