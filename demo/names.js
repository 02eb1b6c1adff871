// @ts-check

const COLOURS = ['Amber', 'Blue', 'Coral', 'Golden', 'Green', 'Silver', 'Violet', 'White']
const ANIMALS = ['Badger', 'Crane', 'Dolphin', 'Falcon', 'Hare', 'Heron', 'Lynx', 'Otter', 'Owl', 'Raven', 'Seal']

let given = 0

/** A name for a visitor. Nobody chooses it, so that nobody takes another one's; it comes again only after many others. */
export function nextName() {
  const number = given++
  // The two counts have no common divisor: all pairs have their turn.
  return `${COLOURS[number % COLOURS.length]} ${ANIMALS[number % ANIMALS.length]}`
}
