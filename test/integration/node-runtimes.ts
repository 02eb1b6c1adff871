import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMissing } from './prerequisite.ts'

/** A Node whose global WebSocket (undici) is tested in a process of its own. */
export interface NodeRuntime {
  readonly name: string
  readonly isMissing: boolean
  readonly execPath: string
  readonly execArgv: string[]
}

const [major] = process.versions.node.split('.')
const node22 = fileURLToPath(new URL('../runtimes/node_modules/node22/bin/node', import.meta.url))

const all: NodeRuntime[] = [
  {
    name: `the global WebSocket of Node ${major}`,
    isMissing: isMissing(
      '--experimental-websocket',
      process.allowedNodeEnvironmentFlags.has('--experimental-websocket'),
    ),
    execPath: process.execPath,
    execArgv: ['--experimental-websocket', '--no-warnings'],
  },
  {
    name: 'the global WebSocket of Node 22',
    isMissing: isMissing('Node 22 (npm ci in test/runtimes)', existsSync(node22)),
    execPath: node22,
    execArgv: ['--no-warnings'],
  },
]

/** This Node and Node 22, once if they are the same. */
export const nodeRuntimes: readonly NodeRuntime[] = major === '22' ? all.slice(0, 1) : all
