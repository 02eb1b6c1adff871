const seconds = Number(process.env['HEARTLINE_FUZZ_SECONDS'] ?? 0)

export const fuzzTimeoutMs = 60_000 + seconds * 1_000

/** Begins now. How long a fuzzer runs: a fixed number of conversations, or as many as fit into `HEARTLINE_FUZZ_SECONDS`. */
export function fuzzRun(name: string, conversations: number) {
  const seed = Number(process.env['HEARTLINE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const endsAt = performance.now() + seconds * 1_000
  const length = seconds ? `${seconds} s` : `${conversations} conversations`
  console.info(`${name}: ${length}, HEARTLINE_SEED=${seed}`)
  return {
    seed,
    goesOn: (done: number): boolean => (seconds ? performance.now() < endsAt : done < conversations),
  }
}

/** How often each came. */
export class Tally {
  readonly counts: Record<string, number> = {}

  add(what: string | number): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  toString(): string {
    return Object.entries(this.counts)
      .map(([what, count]) => `${what}: ${count}`)
      .join(', ')
  }
}

export const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1) + ' MiB'
