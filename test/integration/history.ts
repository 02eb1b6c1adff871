/** What became of one direction of a session: what one side's application sent, and what the other's got. */
export interface StreamHistory {
  /** All sends that were confirmed to be kept, in the order of the calls. */
  readonly sent: readonly string[]
  /** All that the other side's handler was given, in order, as often as it was. */
  readonly delivered: readonly string[]
}

export interface Findings {
  readonly lost: readonly string[]
  readonly duplicated: readonly string[]
  /** Came after one that was sent later. */
  readonly reordered: readonly string[]
  /** Nobody has sent them so. */
  readonly invented: readonly string[]
}

/** Nothing lost, nothing twice, nothing out of order. */
export const faultless: Findings = { lost: [], duplicated: [], reordered: [], invented: [] }

/** Compares what was sent with what was delivered. Knows nothing of sessions, and believes nothing that they say. */
export function examine({ sent, delivered }: StreamHistory): Findings {
  const places = new Map(sent.map((message, index) => [message, index]))
  if (places.size < sent.length) throw new Error('What is sent has to be told apart: two messages are the same.')
  const seen = new Set<string>()
  const duplicated: string[] = []
  const reordered: string[] = []
  const invented: string[] = []
  let furthest = -1
  for (const message of delivered) {
    const place = places.get(message)
    if (place === undefined) invented.push(message)
    else if (seen.has(message)) duplicated.push(message)
    else if (place < furthest) reordered.push(message)
    else furthest = place
    seen.add(message)
  }
  return { lost: sent.filter((message) => !seen.has(message)), duplicated, reordered, invented }
}
