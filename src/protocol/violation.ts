import type { CloseCode } from './close-codes.ts'

/** What a peer sent breaks a rule of PROTOCOL.md: its connection ends with `closeCode`. Nobody else is concerned. */
export class Violation extends Error {
  readonly closeCode: CloseCode

  constructor(closeCode: CloseCode, message: string) {
    super(message)
    this.closeCode = closeCode
  }
}
