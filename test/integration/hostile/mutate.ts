import type { Payload } from '../../../src/protocol/frame.ts'
import type { Random } from './random.ts'

/** Where a number is expected. */
const numbers = [
  '',
  '-1',
  '+1',
  '0',
  '-0',
  '00',
  '01',
  '1.5',
  '1e3',
  '0x10',
  'NaN',
  'Infinity',
  'null',
  '٣',
  ' 1',
  '65536',
  '4294967296',
  '999999999999999',
  '1000000000000000',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551616',
  '9'.repeat(400),
]

/** Where text is expected. */
const texts = [
  '',
  ' ',
  ',',
  '"',
  '\\',
  '{}',
  '[]',
  '\0',
  '\r\n',
  '\u2028',
  '😀',
  '\\ud800',
  '\\udfff\\ud800',
  '__proto__',
  'constructor',
  'toString',
  '%00',
  '../',
  'x'.repeat(5_000),
  '🦆'.repeat(700),
  '['.repeat(3_000),
]

/** Where any JSON value is expected. */
const values = ['null', 'true', '0', '-1', '1e99', '1.5', '""', '"\\ud800"', '[]', '{}', '[{}]', '9007199254740993']

/** More keys of an object. */
const members = [
  '"__proto__":{"resume":{"session":"x"},"isAdmin":true}',
  '"constructor":{"prototype":{"polluted":true}}',
  '"toString":1',
  '"toJSON":null',
  '"then":1',
  '"length":-1',
]

type TextMutation = (random: Random, text: string) => string

const textMutations: readonly TextMutation[] = [
  // A number becomes another one.
  (random, text) => replaceOne(random, text, /\d+/g, () => random.pick(numbers)),
  (random, text) => replaceOne(random, text, /\d+/g, (digits) => String(Number(digits) + random.below(5) - 2)),
  // A JSON value becomes another one.
  (random, text) => replaceOne(random, text, /"[^"]*"(?!:)|\d+|true|false/g, () => random.pick(values)),
  (random, text) => replaceOne(random, text, /"[^"]*"(?!:)/g, () => `"${random.pick(texts)}"`),
  // A member of an object goes, comes, comes twice, or has another name.
  (random, text) => replaceOne(random, text, /"\w+":(?:"[^"]*"|\w+),?/g, () => ''),
  (random, text) => replaceOne(random, text, /\{/g, () => `{${random.pick(members)},`),
  (random, text) => replaceOne(random, text, /"\w+":(?:"[^"]*"|\w+)/g, (member) => `${member},${member}`),
  (random, text) => replaceOne(random, text, /"\w+":/g, () => `"${random.pick(texts)}":`),
  // The header's letter, its separators and its space.
  (random, text) => 'HWRDBANGPQYETSOUVK0 {\0é'.charAt(random.below(23)) + text.slice(1),
  (random, text) => replaceOne(random, text, /[, ]/g, () => random.pick(['', ',', ' ', '  ', ',,', ';', '\t'])),
  // Anything, anywhere.
  (random, text) => splice(random, text, random.below(3), random.pick(texts)),
  (random, text) => splice(random, text, 1, String.fromCharCode(random.below(0x250))),
  (random, text) => text.slice(0, random.below(text.length + 1)),
  (random, text) => text.slice(random.below(text.length + 1)),
  (_, text) => text + text,
  (_, text) => ` ${text}`,
]

/** A frame with a few changes, most of them where its structure is. */
export function mutate(random: Random, frame: Payload): Payload {
  let text = typeof frame === 'string' ? frame : Buffer.from(frame).toString('latin1')
  for (let left = 1 + random.below(3); left > 0; left--) text = random.pick(textMutations)(random, text)
  // Now and then a text frame as a binary one, and the other way round.
  const isText = (typeof frame === 'string') !== random.chance(0.1)
  return isText ? text : Buffer.from(text, 'latin1')
}

/** Mutates JSON text alone. */
export function mutateJson(random: Random, json: string): string {
  for (let left = 1 + random.below(3); left > 0; left--) json = textMutations[1 + random.below(7)]!(random, json)
  return json
}

function replaceOne(random: Random, text: string, pattern: RegExp, replacement: (found: string) => string): string {
  const found = [...text.matchAll(pattern)]
  if (!found.length) return text
  const { index, 0: old } = random.pick(found)
  return text.slice(0, index) + replacement(old) + text.slice(index + old.length)
}

function splice(random: Random, text: string, count: number, inserted: string): string {
  const at = random.below(text.length + 1)
  return text.slice(0, at) + inserted + text.slice(at + count)
}
