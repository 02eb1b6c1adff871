import { expect, test } from 'vitest'
import { serverCases } from '../../src/testing/index.ts'
import { serverUnderTest } from './server-under-test.ts'

test('no two cases have the same id', () => {
  expect(new Set(serverCases.map(({ id }) => id)).size).toBe(serverCases.length)
})

test.concurrent.each(serverCases)('$id: $title', async (conformanceCase) => {
  await using subject = await serverUnderTest()
  await conformanceCase.run(subject)
})
