// @ts-check
import { heartline } from './heartline.js'
import { socketIo } from './socket-io.js'
import { ws } from './ws.js'

const all = [ws, socketIo, heartline]

/** @param {string} name */
export const contenderOf = (name) => all.find((contender) => contender.name === name) ?? ws

/**
 * @param {string[]} names of those that are wanted
 * @returns those that are wanted; the first is raw `ws`, whatever is wanted, since it is the measure of the others
 */
export function contendersOf(names) {
  const unknown = names.filter((name) => !all.some((contender) => contender.name === name))
  if (unknown.length)
    throw new Error(`No contender ${unknown.join(', ')}. There are ${all.map(({ name }) => name).join(', ')}.`)
  return all.filter(({ name }) => name === ws.name || !names.length || names.includes(name))
}
