import { defineConfig, type UserConfig } from 'tsdown'

const common: UserConfig = {
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  sourcemap: true,
  hash: false,
  fixedExtension: false,
}

export default defineConfig([
  {
    ...common,
    entry: {
      client: 'src/client/index.ts',
      'client-node': 'src/client/node.ts',
      websocket: 'src/websocket/index.ts',
      server: 'src/server/index.ts',
      testing: 'src/testing/index.ts',
    },
    deps: { neverBundle: [/^node:/, 'ws'] },
    dts: { sourcemap: false },
  },
  {
    ...common,
    // Imports the package as others do, by its public entries.
    entry: { cli: 'src/cli/index.ts' },
    deps: { neverBundle: [/^node:/, /^heartline/, 'ws'] },
    dts: false,
  },
])
