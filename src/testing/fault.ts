import { numberOption, optionError } from '../core/option.ts'

/** Which way the bytes go that a fault is about. */
export type Direction = 'both' | 'clientToServer' | 'serverToClient'

/** What can happen to a path, or end. Plain data: a schedule of faults can be kept as JSON. */
export type Fault =
  /** Both sides of every current connection get a TCP reset. */
  | { readonly kind: 'reset' }
  /** Both sides of every current connection get an orderly TCP close. */
  | { readonly kind: 'end' }
  /** Nothing arrives any more, and nobody is told. @default direction: 'both' */
  | { readonly kind: 'blackHole'; readonly direction?: Direction }
  /** Nothing arrives for now, and nothing is lost. @default direction: 'both' */
  | { readonly kind: 'stall'; readonly direction?: Direction }
  /** Everything arrives that much later, and up to `jitterMs` later than that; `ms: 0` ends it. @default jitterMs: 0 */
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs?: number }
  /** New connections are reset at once. */
  | { readonly kind: 'refuse' }
  /** All faults end. */
  | { readonly kind: 'heal' }

export type FaultKind = Fault['kind']

/** A fault and when it happens, in milliseconds from the start of its schedule. */
export interface ScheduledFault {
  readonly atMs: number
  readonly fault: Fault
}

/** The longest delay of a platform's timer. */
export const MAX_TIMER_MS = 2_147_483_647

const FAULT_KINDS: readonly FaultKind[] = ['reset', 'end', 'blackHole', 'stall', 'delay', 'refuse', 'heal']
const DIRECTIONS: readonly Direction[] = ['both', 'clientToServer', 'serverToClient']

/** @throws HeartlineError `ERR_OPTION` if the value is not one of the choices */
export function choiceOption<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value
  throw optionError(`Expected \`${name}\` to be one of ${choices.join(', ')}, got ${String(value)}.`)
}

/** Returns the fault with its defaults filled in, and nothing else. @throws HeartlineError `ERR_OPTION` */
export function checkedFault(fault: Fault): Fault {
  const kind = choiceOption('fault.kind', fault.kind, FAULT_KINDS)
  if (fault.kind === 'blackHole' || fault.kind === 'stall') {
    return { kind: fault.kind, direction: choiceOption('direction', fault.direction ?? 'both', DIRECTIONS) }
  }
  if (fault.kind === 'delay') {
    return {
      kind: 'delay',
      ms: numberOption('ms', fault.ms, NaN, 0, MAX_TIMER_MS),
      jitterMs: numberOption('jitterMs', fault.jitterMs, 0, 0, MAX_TIMER_MS),
    }
  }
  return { kind } as Fault
}
