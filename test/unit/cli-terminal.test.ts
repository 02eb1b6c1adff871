import { expect, test } from 'vitest'
import { errorText } from '../../src/cli/error-text.ts'
import { durationText, latencyText } from '../../src/cli/figures-text.ts'
import { printable, printableUrl } from '../../src/cli/printable.ts'
import { Terminal } from '../../src/cli/terminal.ts'

/** Carriage return, and the sequence that erases the line. */
const ERASE = '\r\u001B[2K'

function terminal(output: { isTTY?: boolean; columns?: number }, env: Record<string, string> = {}) {
  const written: string[] = []
  return { written, terminal: new Terminal({ ...output, write: (text) => written.push(text) }, env) }
}

test('on a terminal the status line is written over, and lines that stay come above it', () => {
  const { written, terminal: shown } = terminal({ isTTY: true, columns: 12 })
  shown.status('open', 'for ages and ages', 'green')
  shown.write('a line\n')
  shown.status('open', '', 'green')
  shown.clearStatus()
  shown.clearStatus()
  expect(written).toEqual([
    `${ERASE}\u001B[32mopen\u001B[0m for ag`,
    ERASE,
    'a line\n',
    `${ERASE}\u001B[32mopen\u001B[0m `,
    ERASE,
  ])
})

test('with NO_COLOR there are no colours, and there is a status line', () => {
  const { written, terminal: shown } = terminal({ isTTY: true, columns: 80 }, { NO_COLOR: '1' })
  shown.status('open', 'for 1 s', 'green')
  expect(written).toEqual([`${ERASE}open for 1 s`])
})

test.each([
  ['is none', {}, {}],
  ['can do nothing', { isTTY: true }, { TERM: 'dumb' }],
])('where the terminal %s, there are lines only', (_name, output, env) => {
  const { written, terminal: shown } = terminal(output, env)
  shown.status('open', 'for 1 s', 'green')
  shown.write(`${shown.coloured('open', 'green')}\n`)
  shown.clearStatus()
  expect(written).toEqual(['open\n'])
})

test('text of others cannot do things to the terminal', () => {
  expect(printable('\u001B]0;title\u0007 \u009B31m \u202Eevil\u2028\n')).toBe(
    '\\u{1b}]0;title\\u{7} \\u{9b}31m \\u{202e}evil\\u{2028}\\u{a}',
  )
  expect(printable('x'.repeat(500))).toHaveLength(121)
})

test('what may be secret in a URL is not shown', () => {
  expect(printableUrl(new URL('wss://me:password@example.com:8443/live?token=secret'))).toBe(
    'wss://example.com:8443/live?…',
  )
})

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [999.6, '1.0 s'],
  [59_940, '59.9 s'],
  [59_960, '1 min 0 s'],
  [3_599_400, '59 min 59 s'],
  [3_599_600, '1 h 0 min'],
  [90_000_000, '25 h 0 min'],
])('%d ms are %s', (ms, text) => expect(durationText(ms)).toBe(text))

test.each([
  [0.042, '0.04 ms'],
  [0.996, '1.0 ms'],
  [9.96, '10 ms'],
  [412.4, '412 ms'],
  [1_234, '1.2 s'],
])('a latency of %d ms is %s', (ms, text) => expect(latencyText(ms)).toBe(text))

test('an error is a line, and never empty', () => {
  const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}`)
  expect(errorText(new AggregateError([refused('::1:1'), refused('127.0.0.1:1')]))).toBe(
    'connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1',
  )
  expect(errorText(Object.assign(new Error(''), { code: 'ECONNRESET' }))).toBe('ECONNRESET')
  expect(errorText(new Error('one\ntwo'))).toBe('one')
  expect(errorText('text')).toBe('text')
  expect(errorText(null)).toBe('null')
  expect(errorText(undefined)).toBe('undefined')
})
