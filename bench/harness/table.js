// @ts-check
// Tables in Markdown, to be pasted into documents: each figure, and its ratio to that of the first contender.
import { median } from './median.js'

/** @typedef {import('../contenders/contender.js').Contender} Contender */

/**
 * @param {{
 *   title: string,
 *   contenders: Contender[],
 *   rows: { label: string, samples: Record<string, number[]> }[],
 *   digits?: number,
 * }} table without samples of a contender, the cell says n/a
 */
export function printComparison({ title, contenders, rows, digits = 0 }) {
  const [reference] = contenders
  const number = new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  /** @type {number[][]} */
  const figures = []
  /** @type {number[][]} */
  const ratios = []
  const cellOf = (/** @type {string} */ name, /** @type {Record<string, number[]>} */ samples) => {
    if (!samples[name].length) return 'n/a'
    figures.push(samples[name])
    const figure = number.format(median(samples[name]))
    if (name === reference.name || !samples[reference.name].length) return figure
    const ofRounds = samples[name].map((value, i) => value / samples[reference.name][i])
    ratios.push(ofRounds)
    return `${figure} (${median(ofRounds).toFixed(2)} ×)`
  }
  printTable(
    [title, ...contenders.map(({ label }) => label)],
    rows.map(({ label, samples }) => [label, ...contenders.map(({ name }) => cellOf(name, samples))]),
  )
  if (figures.some(({ length }) => length > 1)) {
    console.log(
      `(medians of the rounds; between these figures differ by ${spread(figures)}, ratios by ${spread(ratios)})`,
    )
  }
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function printTable(head, rows) {
  const widths = head.map((text, i) => Math.max(...[text, ...rows.map((row) => row[i])].map(({ length }) => length)))
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((text, i) => (i ? text.padStart(widths[i]) : text.padEnd(widths[i]))).join(' | ')} |`
  const rule = widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  console.log([line(head), line(rule), ...rows.map(line)].join('\n'))
}

/** @param {number[][]} lists */
function spread(lists) {
  const spreads = lists.map((list) => (Math.max(...list) - Math.min(...list)) / median(list))
  return spreads.length ? `${Math.round(median(spreads) * 100)} %` : 'n/a'
}
