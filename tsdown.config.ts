import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: { websocket: 'src/websocket/index.ts', server: 'src/server/index.ts', testing: 'src/testing/index.ts' },
  format: 'esm',
  platform: 'neutral',
  deps: { neverBundle: [/^node:/] },
  target: 'es2022',
  dts: true,
  sourcemap: true,
  hash: false,
  fixedExtension: false,
})
