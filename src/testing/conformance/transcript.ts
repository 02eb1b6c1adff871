import type { Payload } from '../../protocol/frame.ts'

/** Longest part of a message that is shown. */
const SHOWN = 160

/** What happened while a case ran, for whoever has to find out why it failed. */
export class Transcript {
  readonly #lines: string[] = []
  readonly #startedAt = performance.now()

  add(who: string, what: string): void {
    const ms = Math.round(performance.now() - this.#startedAt)
    this.#lines.push(`  ${String(ms).padStart(6)} ms  ${who.padEnd(8)}  ${what}`)
  }

  /** All of it, or its last hundred lines. */
  get text(): string {
    const lines = this.#lines
    if (!lines.length) return '  nothing'
    return (lines.length > 100 ? ['  …', ...lines.slice(-100)] : lines).join('\n')
  }
}

/** A WebSocket message, as people can read it. Secrets of a test are no secrets. */
export function shown(message: Payload): string {
  if (typeof message === 'string') return cut(message.replace(/\p{Cc}/gu, '·'))
  const text = Array.from(message.subarray(0, SHOWN), (byte) =>
    byte > 31 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')
  return `(bytes) ${cut(text)}`
}

const cut = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length})` : text)
