import { expect, test } from 'vitest'
import { Delivery, type Deliverable } from '../../src/core/delivery.ts'

interface Item extends Deliverable {
  readonly name: string
}

class Queue extends Delivery<Item> {
  readonly seen: string[] = []
  isQuick = false
  onHand = (): void => {}

  add(now: number, ...names: string[]): void {
    for (const name of names) this.queue.push({ name, failures: 0 })
    this.deliver(now)
  }

  protected override hand({ name, failures }: Item): boolean {
    this.seen.push(`${name}${'!'.repeat(failures)}`)
    this.onHand()
    return this.isQuick
  }

  protected override done({ name }: Item): void {
    this.seen.push(`${name} done`)
  }

  look(): string[] {
    return this.seen.splice(0)
  }
}

test('hands over one thing after the other', () => {
  const queue = new Queue()
  queue.add(0, 'a', 'b')
  expect(queue.look()).toEqual(['a'])
  queue.deliver(0)
  expect(queue.look()).toEqual([])
  queue.handled()
  queue.deliver(0)
  expect(queue.look()).toEqual(['a done', 'b'])
})

test('what failed is handed over again, later and later, and all behind it waits', () => {
  const queue = new Queue()
  queue.add(0, 'a', 'b')
  const delays: number[] = []
  for (let now = 0, times = 0; times < 7; times++) {
    queue.failed(now)
    delays.push(queue.retryAt - now)
    queue.deliver(queue.retryAt - 1)
    now = queue.retryAt
    queue.deliver(now)
    expect(queue.retryAt).toBe(Infinity)
  }
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  expect(queue.look()).toEqual(['a', 'a!', 'a!!', 'a!!!', 'a!!!!', 'a!!!!!', 'a!!!!!!', 'a!!!!!!!'])
})

test('a long queue that is handled at once takes no stack, nor does one that is asked from inside', () => {
  const queue = new Queue()
  queue.isQuick = true
  queue.onHand = () => queue.deliver(0)
  queue.add(0, ...Array.from({ length: 10_000 }, () => 'a'))
  expect(queue.look()).toHaveLength(20_000)
})

test('answers for what was not handed over change nothing', () => {
  const queue = new Queue()
  queue.handled()
  queue.failed(0)
  expect([queue.retryAt, queue.look()]).toEqual([Infinity, []])
})
