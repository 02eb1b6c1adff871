const ERASE_LINE = '\r\u001B[2K'
const COLOURS = { red: 31, green: 32, yellow: 33 } as const
export type Colour = keyof typeof COLOURS

/** Where text is shown. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Lines that stay and, on a real terminal, one below them that is written over. */
export class Terminal {
  /** Whether there is a status line. */
  readonly isLive: boolean
  readonly #output: Output
  readonly #isColoured: boolean
  #hasStatus = false

  constructor(output: Output, env: Readonly<Record<string, string | undefined>>) {
    this.#output = output
    this.isLive = output.isTTY === true && env['TERM'] !== 'dumb'
    this.#isColoured = this.isLive && !env['NO_COLOR']
  }

  coloured(text: string, colour: Colour): string {
    return this.#isColoured ? `\u001B[${COLOURS[colour]}m${text}\u001B[0m` : text
  }

  /** Writes whole lines, which stay. */
  write(lines: string): void {
    this.clearStatus()
    this.#output.write(lines)
  }

  /** Shows the status line, cut to the width of the terminal: a longer one could not be written over. */
  status(head: string, rest: string, colour: Colour): void {
    if (!this.isLive) return
    const room = Math.max(0, (this.#output.columns || 80) - head.length - 2)
    this.#output.write(`${ERASE_LINE}${this.coloured(head, colour)} ${rest.slice(0, room)}`)
    this.#hasStatus = true
  }

  clearStatus(): void {
    if (this.#hasStatus) this.#output.write(ERASE_LINE)
    this.#hasStatus = false
  }
}
