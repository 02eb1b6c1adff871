/** Takes the process's uncaught exceptions in place of the test runner. @returns what came, and how to give them back */
export function takeUncaught(seen: (error: unknown) => void): () => void {
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', seen)
  return () => {
    process.off('uncaughtException', seen)
    for (const other of others) process.on('uncaughtException', other)
  }
}
