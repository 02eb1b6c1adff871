// @ts-check
import { parseArgs } from 'node:util'

/**
 * Reads the options of a session benchmark from the command line: numbers, lists of numbers (`--connections 100,200`),
 * and `--contenders ws,heartline`.
 *
 * @template {Record<string, number | number[]>} T
 * @param {T} defaults
 * @returns {T & { contenders: string[] }}
 */
export function benchOptions(defaults) {
  const names = [...Object.keys(defaults), 'contenders']
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) })
  const list = (/** @type {string} */ name) => values[name]?.split(',')
  const numbers = Object.entries(defaults).map(([name, value]) => {
    const given = list(name)?.map(Number)
    return [name, given ? (Array.isArray(value) ? given : given[0]) : value]
  })
  return { ...Object.fromEntries(numbers), contenders: list('contenders') ?? [] }
}
