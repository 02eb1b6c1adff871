import { defineConfig } from 'vitest/config'

const project = (name: string, testTimeout: number) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 30_000 },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', 10_000),
      project('model', 300_000),
      project('conformance', 120_000),
      project('integration', 60_000),
      project('browser', 120_000),
    ],
  },
})
