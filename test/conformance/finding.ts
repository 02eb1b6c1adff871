import { expect } from 'vitest'
import { ConformanceError } from '../../src/testing/index.ts'

/** What a case finds; `undefined` if it passes. */
export async function found<Subject>(
  cases: readonly { readonly id: string; run(subject: Subject): Promise<void> }[],
  id: string,
  subject: Subject,
): Promise<Error | undefined> {
  const one = cases.find((one) => one.id === id)
  if (!one) throw new Error(`no case ${id}`)
  try {
    await one.run(subject)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ConformanceError)
    expect((error as Error).message).toContain('What was seen:')
    return error as Error
  }
}

/** That it fails, or passes. */
export function expectFinding(id: string, finding: string | undefined, fails: boolean): void {
  if (fails) expect(finding, `${id} fails`).toBeDefined()
  else expect(finding, `${id} passes`).toBeUndefined()
}
