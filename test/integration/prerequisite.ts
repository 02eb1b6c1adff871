/**
 * Tells whether something that tests need is missing, so that they are skipped and shown as such. With
 * HEARTLINE_NO_SKIP=1 nothing may be skipped: what is missing is an error.
 */
export function isMissing(what: string, isThere: boolean): boolean {
  if (isThere) return false
  if (process.env['HEARTLINE_NO_SKIP'] === '1')
    throw new Error(`${what} is missing, and HEARTLINE_NO_SKIP=1 forbids skipping.`)
  console.info(`skipped: ${what} is missing`)
  return true
}
