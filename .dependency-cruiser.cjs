/** Direction of the layers: protocol ← core ← host ← shells; shells do not know each other. @see ARCHITECTURE.md */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^src/${from}` },
  to: { pathNot: `^src/(${[from, ...allowed].join('|')})`, path: '.' },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('protocol-imports-nothing', 'protocol', []),
    only('core-imports-protocol', 'core', ['protocol']),
    only('host-imports-core', 'host', ['core', 'protocol']),
    only('websocket-imports-host-and-core', 'websocket', ['host', 'core', 'protocol']),
    only('client-imports-host-and-core', 'client', ['host', 'core', 'protocol']),
    {
      name: 'server-and-testing-import-core-and-node',
      severity: 'error',
      from: { path: '^src/(server|testing)' },
      to: { pathNot: '^src/(core|protocol|server/|testing/)|^node:', dependencyTypesNot: ['core'] },
    },
    {
      name: 'server-and-testing-apart',
      severity: 'error',
      from: { path: '^src/server' },
      to: { path: '^src/(testing|websocket)' },
    },
    {
      name: 'testing-apart',
      severity: 'error',
      from: { path: '^src/testing' },
      to: { path: '^src/(server|websocket)' },
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
