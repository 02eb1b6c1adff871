// @ts-check

/** @typedef {import('../contenders/contender.js').Contender} Contender */

/**
 * Measures each cell with each contender, one after the other, several times: what changes on the machine during the run
 * then changes for all. Each round begins with new processes, and with another contender.
 *
 * @template Cell, Started
 * @template [Sample=number]
 * @param {{
 *   rounds: number,
 *   contenders: Contender[],
 *   cells: Cell[],
 *   begin: (contender: Contender) => Promise<Started>,
 *   measure: (cell: Cell, started: Started) => Promise<Sample>,
 *   end: (started: Started) => unknown,
 * }} benchmark
 * @returns {Promise<{ cell: Cell, samples: Record<string, Sample[]> }[]>} for each cell the figures of the rounds by contender
 */
export async function measureRounds({ rounds, contenders, cells, begin, measure, end }) {
  const results = cells.map((cell) => ({
    cell,
    samples: Object.fromEntries(contenders.map(({ name }) => [name, /** @type {Sample[]} */ ([])])),
  }))
  for (let round = 0; round < rounds; round++) {
    const turn = round % contenders.length
    const order = [...contenders.slice(turn), ...contenders.slice(0, turn)]
    const started = await Promise.all(order.map(begin))
    for (const { cell, samples } of results) {
      for (const [i, { name }] of order.entries()) samples[name].push(await measure(cell, started[i]))
    }
    for (const each of started) await end(each)
  }
  return results
}

/**
 * One figure of samples that have several.
 *
 * @template Sample
 * @param {Record<string, Sample[]>} samples by contender
 * @param {(sample: Sample) => number} figureOf
 * @returns {Record<string, number[]>}
 */
export function figures(samples, figureOf) {
  return Object.fromEntries(Object.entries(samples).map(([name, ofRounds]) => [name, ofRounds.map(figureOf)]))
}
