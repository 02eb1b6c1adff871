/** Direction of the layers: protocol ← core ← host ← shells; shells do not know each other. @see ARCHITECTURE.md */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^src/${from}` },
  to: { pathNot: `^src/(${[from, ...allowed].join('|')})`, path: '.' },
})

/** The same, with Node's modules and whatever else is named. */
const onlyWithNode = (name, from, allowed, packages = '') => ({
  name,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: {
    pathNot: `^src/(${[from, ...allowed].join('|')})/|node_modules/(@types/node/${packages})`,
    dependencyTypesNot: ['core'],
  },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('protocol-imports-nothing', 'protocol', []),
    only('core-imports-protocol', 'core', ['protocol']),
    only('host-imports-core', 'host', ['core', 'protocol']),
    only('websocket-imports-host-and-core', 'websocket', ['host', 'core', 'protocol']),
    // The client's entry for Node alone knows `ws`.
    only('client-imports-host-and-core', 'client/(?!node)', ['client', 'host', 'core', 'protocol']),
    onlyWithNode('stores-import-core-and-node', 'stores', ['core', 'protocol']),
    onlyWithNode(
      'server-imports-stores-host-core-node-and-ws',
      'server',
      ['stores', 'host', 'core', 'protocol'],
      '|ws/',
    ),
    onlyWithNode('testing-imports-core-and-node', 'testing', ['core', 'protocol'], '|ws/'),
    {
      name: 'cli-uses-public-entries',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { pathNot: '^src/cli/|^dist/|^node_modules/(@types/)?ws/', dependencyTypesNot: ['core'] },
    },
    { name: 'demo-uses-public-entries', severity: 'error', from: { path: '^demo' }, to: { path: '^src' } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
    },
  },
}
