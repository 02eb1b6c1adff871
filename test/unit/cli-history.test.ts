import { expect, test } from 'vitest'
import { History } from '../../src/cli/history.ts'
import type { Ending, StateChange } from '../../src/cli/subject.ts'

const at = (ms: number) => ({ ms, date: new Date(ms) })
const open: StateChange = { state: 'open', attempts: 0 }
const ended = (cause: string, state: StateChange['state'] = 'connecting'): StateChange => ({
  state,
  attempts: 1,
  ending: { cause, code: 1006, reason: '' } satisfies Ending,
})

test('an outage that silence told of begins with the last sign of life', () => {
  const history = new History(at(0))
  history.changed(open, at(100))
  history.answered(5, at(1_000))
  history.changed(ended('heartbeat'), at(3_000))
  history.changed(open, at(3_500))
  expect(history.outages).toMatchObject([{ start: { ms: 1_000 }, noticedMs: 3_000, endMs: 3_500 }])
  expect(history.openMs(4_500)).toBe(900 + 1_000)
})

test('an outage that the end of the connection told of begins there', () => {
  const history = new History(at(0))
  history.changed(open, at(100))
  history.answered(5, at(1_000))
  history.changed(ended('closed', 'waiting'), at(3_000))
  expect(history.outage).toMatchObject({ start: { ms: 3_000 }, noticedMs: 3_000 })
  expect(history.openMs(4_500)).toBe(2_900)
})

test('attempts that fail one after the other are one outage, from the start, and keep its first cause', () => {
  const history = new History(at(0))
  history.changed(ended('refused', 'waiting'), at(100))
  history.changed({ state: 'connecting', attempts: 1 }, at(200))
  history.changed(ended('connectTimeout', 'waiting'), at(300))
  history.changed(open, at(400))
  expect(history.outage).toBeUndefined()
  expect(history.outages).toMatchObject([
    { start: { ms: 0 }, noticedMs: 100, endMs: 400, ending: { cause: 'refused' } },
  ])
})

test('keeps the latest outages, and counts all', () => {
  const history = new History(at(0))
  for (let round = 0; round < 1_000; round++) {
    history.changed(open, at(10 * round))
    history.changed(ended('closed'), at(10 * round + 5))
  }
  expect(history.outageCount).toBe(1_000)
  expect(history.outages).toHaveLength(100)
  expect(history.outage!.start.ms).toBe(9_995)
})
