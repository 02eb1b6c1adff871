/** Makes an error that nobody listens to a warning of the process, with the application's own error behind it. */
export function warn(error: Error): void {
  const { cause } = error
  const behind = cause instanceof Error ? (cause.stack ?? cause.message) : undefined
  if (behind) process.emitWarning(`${error.message}\n${behind}`, error.name, (error as Error & { code?: string }).code)
  else process.emitWarning(error)
}
