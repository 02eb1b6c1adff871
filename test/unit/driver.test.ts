import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Driver } from '../../src/host/driver.ts'
import { virtualClock, type VirtualClock } from '../../src/testing/index.ts'

/** Writes down what it is told. */
class Machine {
  deadline = Infinity
  readonly log: string[] = []
  wake(now: number): void {
    this.log.push(`wake ${now}`)
  }
  hide(now: number): void {
    this.log.push(`hide ${now}`)
  }
  tick(now: number): void {
    this.log.push(`tick ${now}`)
    if (now >= this.deadline) this.deadline = Infinity
  }
}

let clock: VirtualClock
let uninstall: () => void
let machine: Machine
let driver: Driver

beforeEach(() => {
  clock = virtualClock()
  uninstall = clock.install()
  machine = new Machine()
  driver = new Driver(machine, (now) => machine.tick(now))
})
afterEach(() => uninstall())

function arm(deadline: number): void {
  machine.deadline = deadline
  driver.arm()
}

test('ticks just after the deadline, and has no timer then', () => {
  arm(1_000)
  clock.advance(5_000)
  expect(machine.log).toEqual(['tick 1001'])
  expect(clock.pending).toBe(0)
})

test('leaves the timer alone while the deadline moves back by less than 250 ms, and ticks for it once more', () => {
  arm(1_000)
  for (const deadline of [1_001, 1_100, 1_249]) {
    arm(deadline)
    expect(clock.nextAt).toBe(1_001)
  }
  clock.advance(5_000)
  expect(machine.log).toEqual(['tick 1001', 'tick 1250'])
})

test.each([
  ['an earlier deadline', 999, 1_000],
  ['a deadline that is 250 ms later', 1_250, 1_251],
  ['a deadline that is several small moves later', 1_260, 1_261, 1_130],
  ['no deadline', Infinity, Infinity],
])('sets the timer at once to %s', (_, deadline, timerAt, between = 1_000) => {
  arm(1_000)
  arm(between)
  arm(deadline)
  expect(clock.nextAt).toBe(timerAt)
  expect(clock.pending).toBe(timerAt < Infinity ? 1 : 0)
})

test('touches no timer while none is wanted, and none while the deadline stays', () => {
  const clear = vi.spyOn(globalThis, 'clearTimeout')
  try {
    arm(Infinity)
    arm(Infinity)
    expect(clear).not.toHaveBeenCalled()
    arm(1_000)
    clear.mockClear()
    arm(1_000)
    expect(clear).not.toHaveBeenCalled()
  } finally {
    clear.mockRestore()
  }
})

test('sets a timer again after none was wanted', () => {
  arm(1_000)
  arm(Infinity)
  arm(1_100)
  expect(clock.nextAt).toBe(1_101)
})

test('wakes the machine when the wall clock has jumped from one tick to the next', () => {
  arm(1_000)
  clock.advance(2_000)
  clock.jumpWallClock(1_001)
  arm(3_000)
  clock.advance(2_000)
  expect(machine.log).toEqual(['tick 1001', 'wake 3001', 'tick 3001'])
})

test('aborts at once if the signal has aborted, and later only until it is stopped', () => {
  let aborts = 0
  driver.start(AbortSignal.abort(), () => aborts++)
  expect(aborts).toBe(1)
  for (const isStopped of [false, true]) {
    aborts = 0
    const controller = new AbortController()
    const other = new Driver(machine, () => {})
    other.start(controller.signal, () => aborts++)
    if (isStopped) other.stop()
    controller.abort()
    expect(aborts).toBe(isStopped ? 0 : 1)
  }
})

test('passes the signals of the host on until it is stopped, and arms itself', () => {
  const document = Object.assign(new EventTarget(), { hidden: true })
  const page = new EventTarget()
  const host = {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  }
  const names = Object.keys(host)
  Object.assign(globalThis, host)
  try {
    driver.start(undefined, () => {})
    const signal = (target: EventTarget, type: string, fields?: object) => {
      target.dispatchEvent(Object.assign(new Event(type), fields))
      return machine.log.splice(0)
    }
    machine.deadline = 1_000
    expect(signal(page, 'online')).toEqual(['wake 0'])
    expect(clock.nextAt).toBe(1_001)
    expect(signal(page, 'pagehide')).toEqual(['hide 0'])
    expect(signal(page, 'pageshow', { persisted: false })).toEqual([])
    expect(signal(page, 'pageshow', { persisted: true })).toEqual(['wake 0'])
    expect(signal(document, 'visibilitychange')).toEqual([])
    document.hidden = false
    expect(signal(document, 'visibilitychange')).toEqual(['wake 0'])
    expect(signal(document, 'resume')).toEqual(['wake 0'])
    driver.stop()
    for (const type of ['online', 'pagehide']) expect(signal(page, type)).toEqual([])
    for (const type of ['visibilitychange', 'resume']) expect(signal(document, type)).toEqual([])
  } finally {
    for (const name of names) Reflect.deleteProperty(globalThis, name)
  }
})
