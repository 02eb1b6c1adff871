// What each class costs a bundle, min + brotli, beside two packages of the same kind. `node bench/sizes.js`
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = {
  HeartbeatWebSocket: "export { HeartbeatWebSocket } from './src/websocket/index.ts'",
  ReconnectingWebSocket: "export { ReconnectingWebSocket } from './src/websocket/index.ts'",
  'reconnecting-websocket 4.4.0': "export { default } from 'reconnecting-websocket'",
  'partysocket 1.3.0': "export { default } from 'partysocket/ws'",
}

/** @returns for each entry its bytes, and the minified bytes of each of its files */
export async function measureSizes() {
  const rows = []
  for (const [name, contents] of Object.entries(entries)) {
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: root, loader: 'ts' },
      bundle: true,
      minify: true,
      format: 'esm',
      target: 'es2022',
      write: false,
      metafile: true,
      outfile: 'out.js',
      logLevel: 'error',
    })
    const [output] = Object.values(metafile.outputs)
    rows.push({
      name,
      minified: outputFiles[0].contents.length,
      brotli: brotliCompressSync(outputFiles[0].contents).length,
      files: Object.fromEntries(
        Object.entries(output.inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput]),
      ),
    })
  }
  return rows
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = await measureSizes()
  console.table(rows.map(({ name, minified, brotli }) => ({ name, minified, brotli })))
  for (const { name, files } of rows.slice(0, 2)) console.log(`${name}: minified bytes by file`, files)
}
