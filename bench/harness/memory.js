// @ts-check
import { setTimeout as sleep } from 'node:timers/promises'

/** @returns {Promise<NodeJS.MemoryUsage>} what this process holds when all garbage is gone; needs `--expose-gc` */
export async function memoryInUse() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
    await sleep(50)
  }
  return process.memoryUsage()
}
