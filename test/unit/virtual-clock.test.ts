import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock, virtualClockDefaults } from '../../src/testing/index.ts'

const optionError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(message) })

function catchError(run: () => unknown): any {
  try {
    run()
  } catch (error) {
    return error
  }
}

/** A clock and a log of what fired when. */
function setUp() {
  const clock = virtualClock()
  const log: string[] = []
  return { clock, log, note: (name: string) => void log.push(`${name}@${clock.now()}`) }
}

describe('virtualClock', () => {
  it('starts at 0, at the documented wall time, and moves only when told to', () => {
    const clock = virtualClock()
    expect([clock.now(), clock.wallNow(), clock.pending, clock.nextAt]).toEqual([
      0,
      virtualClockDefaults.wallMs,
      0,
      Infinity,
    ])
    clock.advance(1_500)
    expect([clock.now(), clock.wallNow()]).toEqual([1_500, virtualClockDefaults.wallMs + 1_500])
    expect(virtualClock({ wallMs: 7 }).wallNow()).toBe(7)
  })

  it('fires due timers by due time, then in the order of arming, each at its own time', () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(note, 30, 'c')
    clock.setTimeout(note, 10, 'a1')
    clock.setTimeout(note, 20, 'b')
    clock.setTimeout(note, 10, 'a2')
    clock.setTimeout(note, 31, 'd')
    expect([clock.pending, clock.nextAt]).toEqual([5, 10])
    clock.advance(30)
    expect(log).toEqual(['a1@10', 'a2@10', 'b@20', 'c@30'])
    expect([clock.pending, clock.nextAt, clock.now()]).toEqual([1, 31, 30])
  })

  it('fires a timer that another one adds, if it falls due on the way', () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(() => {
      note('outer')
      clock.setTimeout(note, 5, 'inner')
      clock.setTimeout(note, 50, 'late')
    }, 10)
    clock.setTimeout(note, 12, 'between')
    clock.advance(20)
    expect(log).toEqual(['outer@10', 'between@12', 'inner@15'])
    expect(clock.nextAt).toBe(60)
  })

  it('fires a timer without a usable delay after 1 ms, so that one which re-arms itself cannot stop the clock', () => {
    const { clock, log, note } = setUp()
    for (const delayMs of [undefined, 0, -5, NaN, 2 ** 31, 1.9]) clock.setTimeout(note, delayMs, String(delayMs))
    clock.advance(0)
    expect(log).toEqual([])
    clock.advance(1)
    expect(log).toEqual(['undefined@1', '0@1', '-5@1', 'NaN@1', '2147483648@1', '1.9@1'])
    let turns = 0
    const again = (): void => {
      turns++
      clock.setTimeout(again, 0)
    }
    again()
    clock.advance(100)
    expect([turns, clock.now()]).toEqual([101, 101])
  })

  it('repeats an interval until it is cleared, also from its own callback', () => {
    const { clock, log, note } = setUp()
    const interval = clock.setInterval(() => {
      note('tick')
      if (log.length === 3) clock.clearInterval(interval)
    }, 10)
    clock.advance(100)
    expect(log).toEqual(['tick@10', 'tick@20', 'tick@30'])
    expect(clock.pending).toBe(0)
  })

  it('clears a timer by its object, its number or its number as a string, also one that is due at the same instant', () => {
    const { clock, log, note } = setUp()
    const first = clock.setTimeout(note, 10, 'object')
    const second = clock.setTimeout(note, 10, 'number')
    const third = clock.setInterval(note, 10, 'string')
    clock.setTimeout(() => clock.clearTimeout(fourth), 10)
    const fourth = clock.setTimeout(note, 10, 'same instant')
    clock.clearTimeout(first)
    clock.clearTimeout(+second)
    clock.clearTimeout(String(+third))
    clock.clearTimeout(undefined)
    clock.clearTimeout(12)
    clock.advance(10)
    expect(log).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('clears an interval by its number while it fires', () => {
    const { clock, log, note } = setUp()
    const interval = clock.setInterval(() => {
      note('tick')
      clock.clearInterval(+interval)
    }, 10)
    clock.advance(50)
    expect(log).toEqual(['tick@10'])
  })

  it('gives timers what ordinary code calls on a timer of Node', () => {
    const { clock, log, note } = setUp()
    const timer = clock.setTimeout(note, 10, 'fired')
    expect(timer.hasRef()).toBe(true)
    expect(timer.unref().hasRef()).toBe(false)
    expect(timer.ref().hasRef()).toBe(true)
    clock.advance(9)
    expect(timer.refresh()).toBe(timer)
    clock.advance(9)
    expect(log).toEqual([])
    clock.advance(1)
    timer.refresh()
    clock.advance(10)
    expect(log).toEqual(['fired@19', 'fired@29'])
    timer.refresh().close().refresh()
    clock.advance(10)
    expect(log.length).toBe(2)
    expect(clock.pending).toBe(0)
  })

  it('clears a timeout by its number that its own callback refreshed', () => {
    const { clock, log, note } = setUp()
    const timer = clock.setTimeout(() => {
      note('fired')
      timer.refresh()
    }, 10)
    clock.advance(10)
    clock.clearTimeout(+timer)
    clock.advance(10)
    expect(log).toEqual(['fired@10'])
  })

  it('fires an interval once per round when its callback refreshes it', () => {
    const { clock, log, note } = setUp()
    const interval = clock.setInterval(() => {
      note('tick')
      interval.refresh()
    }, 10)
    clock.advance(30)
    expect(log).toEqual(['tick@10', 'tick@20', 'tick@30'])
    expect(clock.pending).toBe(1)
  })

  it('throws the error of a callback when the time has passed and the other timers have fired', () => {
    const { clock, log, note } = setUp()
    const failure = new Error('callback')
    clock.setTimeout(() => {
      throw failure
    }, 10)
    clock.setTimeout(note, 10, 'same instant')
    clock.setTimeout(note, 20, 'later')
    expect(catchError(() => clock.advance(25))).toBe(failure)
    expect(log).toEqual(['same instant@10', 'later@20'])
    expect([clock.now(), clock.pending]).toEqual([25, 0])
    clock.advance(10)
    expect(clock.now()).toBe(35)
  })

  it('throws all errors together if several callbacks throw, and keeps an interval that throws', async () => {
    const { clock } = setUp()
    clock.setInterval(() => {
      throw new Error(`at ${clock.now()}`)
    }, 10)
    const messages = (error: any) => error.errors.map(({ message }: Error) => message)
    expect(messages(catchError(() => clock.advance(20)))).toEqual(['at 10', 'at 20'])
    const error = await clock.advanceAsync(20).catch((error: unknown) => error)
    expect(messages(error)).toEqual(['at 30', 'at 40'])
    expect([clock.now(), clock.pending]).toEqual([40, 1])
  })

  it('lets a callback advance the clock', () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(() => clock.advance(100), 10)
    clock.setTimeout(note, 50, 'inside')
    clock.setTimeout(note, 150, 'outside')
    clock.advance(20)
    expect(log).toEqual(['inside@50'])
    expect(clock.now()).toBe(110)
    clock.advance(40)
    expect(log).toEqual(['inside@50', 'outside@150'])
  })

  it('lets promises settle before, between and after the timers of advanceAsync', async () => {
    const { clock, log, note } = setUp()
    const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms))
    const work = async (): Promise<void> => {
      for (let depth = 0; depth < 100; depth++) await Promise.resolve()
      note('start')
      await sleep(10)
      note('middle')
      await sleep(10)
      for (let depth = 0; depth < 100; depth++) await Promise.resolve()
      note('end')
    }
    void work()
    await clock.advanceAsync(20)
    expect(log).toEqual(['start@0', 'middle@10', 'end@20'])
  })

  it('does not let promises settle inside advance', async () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(() => void Promise.resolve('promise').then(note), 10)
    clock.setTimeout(note, 10, 'timer')
    clock.advance(20)
    expect(log).toEqual(['timer@10'])
    await Promise.resolve()
    expect(log).toEqual(['timer@10', 'promise@20'])
  })

  it('fires what fell due during a freeze late, in order and once, at its end', () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(note, 20, 'b')
    clock.setTimeout(note, 10, 'a')
    clock.setInterval(note, 15, 'tick')
    clock.setTimeout(note, 1_001, 'not due')
    clock.setTimeout(() => clock.setTimeout(note, 0, 'added'), 30)
    clock.freeze(1_000)
    expect(log).toEqual(['a@1000', 'tick@1000', 'b@1000'])
    clock.advance(15)
    expect(log.slice(3)).toEqual(['not due@1001', 'added@1001', 'tick@1015'])
  })

  it('moves the wall clock through a freeze, and alone in a jump', () => {
    const { clock, log, note } = setUp()
    clock.setTimeout(note, 10_000, 'timer')
    clock.freeze(1_000)
    expect(clock.wallNow() - virtualClockDefaults.wallMs).toBe(1_000)
    clock.jumpWallClock(3_600_000)
    expect(clock.wallNow() - virtualClockDefaults.wallMs).toBe(3_601_000)
    clock.jumpWallClock(-7_200_000)
    expect(clock.wallNow() - virtualClockDefaults.wallMs).toBe(-3_599_000)
    expect([clock.now(), log]).toEqual([1_000, []])
  })

  it('refuses times that are not numbers in range', async () => {
    const clock = virtualClock()
    const bad = [-1, NaN, Infinity, '5', undefined] as number[]
    for (const ms of bad) {
      expect(() => clock.advance(ms)).toThrow(
        optionError(/^Expected `ms` to be a number from 0 to 9007199254740991, got/),
      )
      expect(() => clock.freeze(ms)).toThrow(optionError(/`ms`/))
      await expect(clock.advanceAsync(ms)).rejects.toEqual(optionError(/`ms`/))
    }
    expect(() => clock.jumpWallClock(NaN)).toThrow(optionError(/`ms`/))
    expect(() => virtualClock({ wallMs: NaN })).toThrow(optionError(/`wallMs`/))
    expect(() => clock.setTimeout('code' as never, 1)).toThrow(TypeError)
    expect([clock.now(), clock.pending]).toEqual([0, 0])
  })

  it('works when its methods are taken off the object', () => {
    const { advance, freeze, now, setTimeout, clearTimeout } = virtualClock()
    clearTimeout(setTimeout(() => expect.unreachable(), 1))
    advance(1)
    freeze(1)
    expect(now()).toBe(2)
  })
})

describe('an installed virtualClock', () => {
  let uninstall = (): void => {}
  afterEach(() => uninstall())

  const current = () => [
    ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'].map((name) => Reflect.get(globalThis, name)),
    Reflect.get(performance, 'now'),
    Date.now,
  ]

  it('takes the place of the platform timers and clocks until it is uninstalled', () => {
    const originals = current()
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'setTimeout')
    const hadOwnNow = Object.hasOwn(performance, 'now')
    const { clock, log, note } = setUp()
    uninstall = clock.install()
    expect(current().filter((value, index) => value === originals[index])).toEqual([])
    const timer = setTimeout(note, 10, 'timeout')
    const interval = setInterval(note, 4, 'interval')
    expect([timer.hasRef(), timer.unref().hasRef(), interval.refresh() === interval]).toEqual([true, false, true])
    clock.advance(10)
    clearInterval(interval)
    expect(log).toEqual(['interval@4', 'interval@8', 'timeout@10'])
    expect([performance.now(), Date.now()]).toEqual([10, virtualClockDefaults.wallMs + 10])
    expect(clock.pending).toBe(0)

    uninstall()
    uninstall()
    expect(current()).toEqual(originals)
    expect(Object.getOwnPropertyDescriptor(globalThis, 'setTimeout')).toEqual(descriptor)
    expect(Object.hasOwn(performance, 'now')).toBe(hadOwnNow)
  })

  it('leaves setImmediate to the platform', async () => {
    const { clock } = setUp()
    const original = setImmediate
    uninstall = clock.install()
    expect(setImmediate).toBe(original)
    await new Promise((resolve) => void setImmediate(resolve))
    expect(clock.pending).toBe(0)
  })

  it('serves util.promisify', async () => {
    const { clock, log, note } = setUp()
    uninstall = clock.install()
    void promisify(setTimeout)(10, 'value').then(note)
    await clock.advanceAsync(10)
    expect(log).toEqual(['value@10'])
  })

  it('clears timers that the platform made before', async () => {
    const { clock } = setUp()
    const before = setTimeout(() => {}, 60_000)
    uninstall = clock.install()
    clearTimeout(before)
    uninstall()
    expect(before).toMatchObject({ _destroyed: true })
  })

  it('can be installed on another object, which gets nothing that it does not have', () => {
    const { clock, log, note } = setUp()
    const target = { performance: { now: () => -1 }, setTimeout: undefined as any }
    const remove = clock.install(target)
    target.setTimeout(note, 5, 'there')
    clock.advance(5)
    expect(log).toEqual(['there@5'])
    expect([target.performance.now(), 'Date' in target]).toEqual([5, false])
    expect(Date.now()).toBeGreaterThan(virtualClockDefaults.wallMs + 5)
    remove()
    expect(target.performance.now()).toBe(-1)
    expect(Object.keys(target)).toEqual(['performance', 'setTimeout'])
  })

  it('gives way to a second clock and comes back after it', () => {
    const first = virtualClock({ wallMs: 1 })
    const second = virtualClock({ wallMs: 2 })
    uninstall = first.install()
    const remove = second.install()
    expect(Date.now()).toBe(2)
    remove()
    expect(Date.now()).toBe(1)
  })
})
