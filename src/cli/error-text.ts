/** What to show of an error: never empty, never more than a line. */
export function errorText(error: unknown): string {
  // Node tries all addresses of a host name, and gives the failures together, without a message of their own.
  if (error instanceof AggregateError && error.errors.length && !error.message)
    return [...new Set(error.errors.map(errorText))].join(', ')
  const { message, code } = Object(error) as { message?: unknown; code?: unknown }
  return String(message || code || error).split('\n')[0]!
}
