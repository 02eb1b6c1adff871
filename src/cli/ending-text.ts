import { durationText } from './figures-text.ts'
import { printable } from './printable.ts'
import type { Ending } from './subject.ts'

/** Why a connection or an attempt ended, in words. @param silentMs how long it had been silent by then */
export function endingText({ cause, code, reason, error }: Ending, silentMs: number): string {
  const said = reason ? `, "${printable(reason)}"` : ''
  const told = error === undefined ? '' : `: ${printable(error)}`
  switch (cause) {
    case 'heartbeat':
      return `nothing was heard for ${durationText(silentMs)}${reason === 'heartbeat never answered' ? ', ever' : ''}`
    case 'refused':
      return `no connection${told || (code === 1006 ? '' : `: code ${code}${said}`)}`
    case 'connectTimeout':
      return 'no connection in time'
    case 'closed':
      return code === 1006 ? `cut off without a close frame${told}` : `closed by the server, code ${code}${said}${told}`
    default:
      return `${printable(cause)}, code ${code}${said}${told}`
  }
}
