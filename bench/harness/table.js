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
  printTable(
    [title, ...contenders.map(({ label }) => label)],
    rows.map(({ label, samples }) => [
      label,
      ...contenders.map(({ name }) => {
        if (!samples[name].length) return 'n/a'
        const figure = number.format(median(samples[name]))
        if (name === reference.name || !samples[reference.name].length) return figure
        return `${figure} (${median(samples[name].map((value, i) => value / samples[reference.name][i])).toFixed(2)} ×)`
      }),
    ]),
  )
  const spreads = rows.flatMap(({ samples }) =>
    Object.values(samples)
      .filter(({ length }) => length > 1)
      .map(spread),
  )
  if (spreads.length)
    console.log(
      `(medians of the rounds, which differ by ${percent(median(spreads))}, at most ${percent(Math.max(...spreads))})`,
    )
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

/** @param {number[]} samples */
function spread(samples) {
  return (Math.max(...samples) - Math.min(...samples)) / median(samples)
}

/** @param {number} ratio */
function percent(ratio) {
  return `${Math.round(ratio * 100)} %`
}
