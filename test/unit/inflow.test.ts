import { expect, test } from 'vitest'
import { Inflow, type Incoming, type IncomingGap, type InflowOptions } from '../../src/core/inflow.ts'
import { CloseCode } from '../../src/protocol/close-codes.ts'
import { MAX_BATCH_BYTES } from '../../src/protocol/limits.ts'
import { closeCodeOf } from './vectors.ts'

const GENERATION = 'g'

/** An application that answers each message at once, unless told otherwise, and keeps what it gets. */
class Application {
  readonly messages: Incoming[] = []
  readonly gaps: IncomingGap[] = []
  /** What was handed over, in order. */
  readonly order: string[] = []
  isBusy = false
  readonly inflow: Inflow

  constructor(options: Partial<InflowOptions> = {}) {
    const { window = { messages: 10, bytes: 100 }, maxMessageBytes = 50, acknowledge = 'handled' } = options
    const effects = {
      deliver: (message: Incoming) => {
        this.messages.push(message)
        this.order.push(`${message.number}: ${String(message.data)}`)
        return !this.isBusy
      },
      gap: (gap: IncomingGap) => {
        this.gaps.push(gap)
        this.order.push(`gap ${gap.from}-${gap.to ?? ''} ${gap.reason}`)
      },
    }
    this.inflow = new Inflow(effects, { window, maxMessageBytes, acknowledge })
    this.inflow.reset('s', 0)
  }

  /** Takes messages, and hands over what can be handed over. */
  take(first: number, ...payloads: string[]): void {
    this.inflow.take(first, payloads)
    this.inflow.deliver(0)
  }

  /** The application is done with what it has. */
  done(now = 0): void {
    this.inflow.handled()
    this.inflow.deliver(now)
  }

  skip(from: number, to: number | undefined): void {
    this.inflow.skip({ from, to, generation: GENERATION, reason: 'overflow' })
  }
}

const busy = (options?: Partial<InflowOptions>): Application => {
  const application = new Application(options)
  application.isBusy = true
  return application
}

test('[DATA-4] hands over each message once, in order', () => {
  const application = new Application()
  application.take(1, 'a', 'b')
  application.take(3, 'c')
  expect(application.order).toEqual(['1: a', '2: b', '3: c'])
  expect(application.inflow).toMatchObject({ received: 3, acknowledged: 3, isIdle: true })
})

test('an empty message is a message', () => {
  const application = new Application()
  application.take(1, '', '')
  expect(application.order).toEqual(['1: ', '2: '])
})

test('hands over the next message when the one before is handled', () => {
  const application = busy()
  application.take(1, 'a', 'b')
  expect(application.order).toEqual(['1: a'])
  expect(application.inflow).toMatchObject({ received: 2, acknowledged: 0, isIdle: false })
  application.done()
  expect(application.order).toEqual(['1: a', '2: b'])
  expect(application.inflow.acknowledged).toBe(1)
  application.done()
  expect(application.inflow).toMatchObject({ acknowledged: 2, isIdle: true })
})

test('the application may answer from inside, and once too often', () => {
  const application = busy()
  application.take(1, 'a')
  application.inflow.handled()
  application.inflow.handled()
  application.inflow.failed(0)
  expect(application.inflow).toMatchObject({ acknowledged: 1, isIdle: true, retryAt: Infinity })
})

test.each([
  [[1], 3],
  [[1, 2], 4],
  [[1, 2], 2],
  [[1, 2], 1],
  [[], 0],
  [[], 2],
  [[1], 0],
])('[DATA-1] [DATA-3] after %j the number %i is out of order, and nothing of it is taken', (before, first) => {
  const application = new Application()
  for (const number of before) application.take(number, 'x')
  const handed = application.messages.length
  expect(closeCodeOf(() => application.inflow.take(first, ['y', 'z']))).toBe(CloseCode.outOfOrder)
  application.inflow.deliver(0)
  expect(application.messages).toHaveLength(handed)
  expect(application.inflow.received).toBe(before.length)
})

test.each([1, 2, 3, 4])('[DATA-2] a new connection may begin at %i, and what is known is skipped', (first) => {
  const application = new Application()
  application.take(1, 'a', 'b', 'c')
  application.inflow.begin()
  const all = ['a', 'b', 'c', 'd', 'e']
  application.take(first, ...all.slice(first - 1))
  expect(application.order).toEqual(['1: a', '2: b', '3: c', '4: d', '5: e'])
  expect(closeCodeOf(() => application.inflow.take(5, ['e']))).toBe(CloseCode.outOfOrder)
})

test('[DATA-2] a replay of nothing new is followed by the number behind it', () => {
  const application = new Application()
  application.take(1, 'a', 'b', 'c')
  application.inflow.begin()
  application.take(1, 'a')
  application.take(2, 'b', 'c')
  application.take(4, 'd')
  expect(application.order).toEqual(['1: a', '2: b', '3: c', '4: d'])
})

test('[DATA-2] what waits for the application is known, too', () => {
  const application = busy()
  application.take(1, 'a', 'b')
  application.inflow.begin()
  application.take(1, 'a', 'b', 'c')
  application.done()
  application.done()
  expect(application.order).toEqual(['1: a', '2: b', '3: c'])
})

test('[DATA-3] a new connection may not begin behind a hole', () => {
  const application = new Application()
  application.take(1, 'a')
  application.inflow.begin()
  expect(closeCodeOf(() => application.inflow.take(3, ['c']))).toBe(CloseCode.outOfOrder)
})

test('goes on behind the number that is known to be handled', () => {
  const application = new Application()
  application.inflow.reset('s', 7)
  application.take(6, 'f', 'g', 'h')
  expect(application.order).toEqual(['8: h'])
  expect(application.messages[0]!.id).toBe('s:8')
})

test('[DATA-5] a message may be as large as the limit, and no larger', () => {
  const application = new Application({ maxMessageBytes: 3 })
  application.take(1, 'abc')
  expect(closeCodeOf(() => application.inflow.take(2, ['abcd']))).toBe(CloseCode.tooLarge)
  expect(application.order).toEqual(['1: abc'])
})

test('[WINDOW-4] bears as many messages as the window has, and no more', () => {
  const application = busy({ window: { messages: 3, bytes: 100 } })
  application.take(1, 'a', 'b', 'c')
  application.done()
  application.take(4, 'd')
  expect(closeCodeOf(() => application.take(5, 'e'))).toBe(CloseCode.tooLarge)
})

test('[WINDOW-4] bears as many bytes as the window has, and a BATCH or a message more', () => {
  const window = { messages: 10, bytes: 4 }
  const small = busy({ window, maxMessageBytes: MAX_BATCH_BYTES - 1 })
  small.take(1, 'aaaa', 'x'.repeat(MAX_BATCH_BYTES - 1), 'a')
  expect(closeCodeOf(() => small.take(4, 'a'))).toBe(CloseCode.tooLarge)
  const large = busy({ window, maxMessageBytes: 100_000 })
  large.take(1, 'aaaa', 'x'.repeat(100_000))
  expect(closeCodeOf(() => large.take(3, 'a'))).toBe(CloseCode.tooLarge)
})

test('[WINDOW-4] [DATA-2] bears a window that is full to the last byte, and repeated from its beginning in one BATCH', () => {
  const application = busy({ window: { messages: 100, bytes: 100 }, maxMessageBytes: 10 })
  const all = Array.from({ length: 10 }, () => 'x'.repeat(10))
  application.take(1, ...all.slice(1))
  application.inflow.begin()
  application.take(1, ...all)
  expect(application.inflow.received).toBe(10)
})

test('[WINDOW-4] messages that are known take no room', () => {
  const application = busy({ window: { messages: 3, bytes: 3 }, maxMessageBytes: 1 })
  application.take(1, 'a', 'b', 'c')
  application.inflow.begin()
  application.take(1, 'a', 'b', 'c')
  expect(application.inflow.received).toBe(3)
})

test('[WINDOW-4] what still waits of a stream that is over takes no room from the next one', () => {
  const application = busy({ window: { messages: 3, bytes: 3 }, maxMessageBytes: 1 })
  application.take(1, 'a', 'b', 'c')
  application.skip(4, undefined)
  application.inflow.reset('t', 0)
  application.take(1, 'd', 'e', 'f')
  for (let done = 0; done < 5; done++) application.done()
  expect(application.order).toEqual(['1: a', '2: b', '3: c', 'gap 4- overflow', '1: d', '2: e', '3: f'])
  expect(application.inflow.acknowledged).toBe(2)
  application.take(4, 'g')
})

test('[ACKING-4] a message that was not handled is handed over again, later and later, at most after 30 s', () => {
  const application = busy()
  application.take(1, 'a', 'b')
  const delays = []
  for (let now = 0; delays.length < 8;) {
    application.inflow.failed(now)
    delays.push(application.inflow.retryAt - now)
    const seen = application.messages.length
    application.inflow.deliver(application.inflow.retryAt - 1)
    expect(application.messages, 'not earlier').toHaveLength(seen)
    now = application.inflow.retryAt
    application.inflow.deliver(now)
  }
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  expect(new Set(application.messages.map(({ id }) => id))).toEqual(new Set(['s:1']))
  expect(application.messages.at(-1)!.failures).toBe(8)
  expect(application.inflow.acknowledged).toBe(0)
  application.done(1e9)
  expect(application.order.at(-1)).toBe('2: b')
  expect(application.inflow.acknowledged).toBe(1)
})

test('[ACKING-4] the next message begins with the shortest delay again', () => {
  const application = busy()
  application.take(1, 'a', 'b')
  application.inflow.failed(0)
  application.inflow.deliver(1_000)
  application.inflow.failed(1_000)
  application.inflow.deliver(3_000)
  application.done(3_000)
  application.inflow.failed(3_000)
  expect(application.inflow.retryAt).toBe(4_000)
})

test('[ACKING-4] messages that come while one waits for its next delivery wait behind it', () => {
  const application = busy()
  application.take(1, 'a')
  application.inflow.failed(0)
  application.take(2, 'b')
  application.inflow.begin()
  application.take(1, 'a', 'b', 'c')
  expect(application.order).toEqual(['1: a'])
  application.inflow.deliver(1_000)
  expect(application.order).toEqual(['1: a', '1: a'])
})

test('[GAP-2] tells a gap in its place between the messages', () => {
  const application = busy()
  application.take(1, 'a', 'b')
  application.skip(3, 5)
  application.take(6, 'f')
  expect(application.order).toEqual(['1: a'])
  application.done()
  application.done()
  expect(application.order).toEqual(['1: a', '2: b', 'gap 3-5 overflow', '6: f'])
  expect(application.gaps[0]).toMatchObject({ from: 3, to: 5, generation: GENERATION, reason: 'overflow' })
})

test('[GAP-3] a gap is received at once, and acknowledged when the application has been told', () => {
  const application = busy()
  application.take(1, 'a')
  application.skip(2, 5)
  expect(application.inflow).toMatchObject({ received: 5, acknowledged: 0 })
  application.done()
  expect(application.inflow).toMatchObject({ acknowledged: 5, isIdle: true })
})

test('[GAP-1] after a gap the numbers go on behind it', () => {
  const application = new Application()
  application.skip(1, 5)
  application.inflow.deliver(0)
  expect(closeCodeOf(() => application.inflow.take(7, ['g']))).toBe(CloseCode.outOfOrder)
  application.take(6, 'f')
  application.inflow.begin()
  application.take(4, 'd', 'e', 'f', 'g')
  expect(application.order).toEqual(['gap 1-5 overflow', '6: f', '7: g'])
})

test('[GAP-4] a gap without an end acknowledges nothing', () => {
  const application = busy()
  application.take(1, 'a')
  application.skip(2, undefined)
  application.inflow.reset('t', 0)
  application.take(1, 'b')
  application.done()
  expect(application.order).toEqual(['1: a', 'gap 2- overflow', '1: b'])
  expect(application.inflow.acknowledged).toBe(0)
  application.done()
  expect(application.inflow.acknowledged).toBe(1)
})

test('what waits of another session is handed over under its own name, and acknowledges nothing', () => {
  const application = busy()
  application.take(1, 'a', 'b', 'c')
  application.inflow.reset('t', 0)
  application.take(1, 'd')
  for (let done = 0; done < 3; done++) application.done()
  expect(application.messages.map(({ id }) => id)).toEqual(['s:1', 's:2', 's:3', 't:1'])
  expect(application.inflow.acknowledged).toBe(0)
})

test('what waits of another generation of the same session acknowledges nothing in the new one', () => {
  const application = busy()
  application.take(1, 'a', 'b', 'c')
  application.skip(4, undefined)
  application.inflow.reset('s', 0)
  application.take(1, 'd')
  for (let done = 0; done < 3; done++) application.done()
  expect(application.order.at(-1)).toBe('1: d')
  expect(application.inflow.acknowledged).toBe(0)
  application.done()
  expect(application.inflow.acknowledged).toBe(1)
})

test('[ACKING-1] acknowledges on receipt, if asked to', () => {
  const application = busy({ acknowledge: 'received' })
  application.take(1, 'a', 'b')
  expect(application.inflow).toMatchObject({ received: 2, acknowledged: 2 })
  application.skip(3, 4)
  application.take(5, 'e')
  expect(application.inflow.acknowledged).toBe(5)
})

test('[ACKING-1] on receipt, too, what waits for the application is bounded, and a peer that keeps to the window is borne', () => {
  const window = { messages: 4, bytes: 40 }
  const application = busy({ acknowledge: 'received', window })
  const { inflow } = application
  let sent = 0
  while (sent < 100 && sent - inflow.acknowledged < window.messages) application.take(++sent, 'x')
  expect(sent).toBeLessThanOrEqual(2 * window.messages)
  while (!inflow.isIdle) application.done()
  expect(inflow.acknowledged).toBe(sent)
})

test('a message that comes while one is handed over waits', () => {
  const inner = new Inflow(
    {
      deliver: ({ number }) => {
        order.push(number)
        if (number === 1) {
          inner.take(2, ['b'])
          inner.deliver(0)
        }
        return true
      },
      gap: () => {},
    },
    { window: { messages: 10, bytes: 10 }, maxMessageBytes: 10, acknowledge: 'handled' },
  )
  const order: number[] = []
  inner.reset('s', 0)
  inner.take(1, ['a'])
  inner.deliver(0)
  expect(order).toEqual([1, 2])
})
