import { expect, test } from 'vitest'
import { clientCases } from '../../src/testing/index.ts'
import { clientUnderTest } from './client-under-test.ts'

test('no two cases have the same id', () => {
  expect(new Set(clientCases.map(({ id }) => id)).size).toBe(clientCases.length)
})

test.concurrent.each(clientCases)('$id: $title', (conformanceCase) => conformanceCase.run(clientUnderTest))
