import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GhostCheck } from '../../src/core/ghost-check.ts'
import { GhostWatch, tickLengthMs } from '../../src/core/ghost-watch.ts'
import { check } from './check.ts'

/** A time in which the server does nothing: where it strikes in a turn of its event loop, and whether the network stands still too. */
interface Block {
  readonly at: number
  readonly lengthMs: number
  /** `suspend`: the whole machine stands still, with all that is on its way. */
  readonly kind: 'before timers' | 'before poll' | 'after poll' | 'suspend'
}

interface Setting {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly blocks: readonly Block[]
  /** How late each timer fires, in turn. */
  readonly latenessMs: readonly number[]
  /** Whether each block is followed by at least one turn of the event loop without one. */
  readonly areBlocksApart?: boolean
}

/** A connection: what has come in, at which level, and what was done to it. All times are real ones. */
class ModelPeer extends GhostCheck {
  receivedBytes = 0
  isRead = true
  readonly sentBytes: number = 0
  queuedBytes = 0
  drainedBytes = 0
  /** When bytes arrive at the server's kernel. */
  arrivals: number[]
  /** Milliseconds from a ping to its answer; `undefined` for a peer that does not answer. */
  readonly latencyMs: number | undefined
  lastArrivalAt = 0
  pingedAt: number[] = []
  reapedAt: number | undefined
  silence = { silenceMs: NaN, maxSilenceMs: NaN }

  constructor(arrivals: readonly number[], latencyMs?: number) {
    super()
    this.arrivals = [...arrivals].sort((a, b) => a - b)
    this.latencyMs = latencyMs
  }

  onPing(now: number): void {
    this.pingedAt.push(now)
    if (this.latencyMs === undefined) return
    this.arrivals.push(now + this.latencyMs)
    this.arrivals.sort((a, b) => a - b)
  }

  /** The kernel's queue is read. */
  onRead(now: number): void {
    while (this.reapedAt === undefined && this.arrivals[0]! <= now) {
      this.lastArrivalAt = this.arrivals.shift()!
      this.receivedBytes += 6
    }
  }
}

const MAX_TURNS = 500_000

/** A peer that takes a backlog in front of the first ping slowly, answers when it is through, or dies half-way. */
class SlowPeer extends ModelPeer {
  override readonly sentBytes = 10_000_000
  override queuedBytes = this.sentBytes
  readonly #lengthMs: number
  readonly #kernel: number
  readonly #dies: number
  readonly #answerMs: number

  /** @param kernel the part that fits into the kernel; @param dies the part after which it dies, 1 or more if it lives */
  constructor(lengthMs: number, kernel: number, dies: number, answerMs: number) {
    super([])
    this.#lengthMs = lengthMs
    this.#kernel = kernel
    this.#dies = dies
    this.#answerMs = answerMs
    this.drainedBytes = Math.floor(kernel * this.sentBytes)
  }

  override onPing(now: number): void {
    this.pingedAt.push(now)
    const isFirst = this.pingedAt.length === 1
    if (this.#dies >= 1) this.arrivals.push(now + (isFirst ? this.#lengthMs : 0) + this.#answerMs)
  }

  override onRead(now: number): void {
    super.onRead(now)
    if (!this.pingedAt.length) return
    const passed = this.#lengthMs ? (now - this.pingedAt[0]!) / this.#lengthMs : 1
    const part = Math.min(this.#dies, 1, passed)
    this.drainedBytes = Math.min(this.sentBytes, Math.floor((this.#kernel + part) * this.sentBytes))
    this.queuedBytes = this.sentBytes - this.drainedBytes
  }
}

/** Real time, the event loop with its phases in libuv's order, and the network. */
class World {
  now = 0
  readonly watch: GhostWatch<ModelPeer>
  readonly #blocks: Block[]
  readonly #latenessMs: readonly number[]
  readonly #areBlocksApart: boolean
  readonly #peers: readonly ModelPeer[]
  /** [real time, blocked time until then] at the end of each block. */
  readonly #history: [number, number][] = [[0, 0]]

  constructor(
    { intervalMs, timeoutMs, blocks, latenessMs, areBlocksApart = false }: Setting,
    peers: readonly ModelPeer[],
  ) {
    this.#blocks = [...blocks].sort((a, b) => a.at - b.at)
    this.#latenessMs = latenessMs
    this.#areBlocksApart = areBlocksApart
    this.#peers = peers
    const effects = {
      ping: (peer: ModelPeer) => peer.onPing(this.now),
      reap: (peer: ModelPeer) => {
        peer.reapedAt = this.now
        peer.silence = this.watch.silence(peer, this.now)
      },
      now: () => this.now,
    }
    this.watch = new GhostWatch(effects, intervalMs, timeoutMs, 0)
    for (const peer of peers) this.watch.add(peer, 0)
  }

  run(untilMs: number): void {
    let isBlockedTurn = false
    for (let turn = 0; this.now < untilMs && this.watch.size;) {
      // What never comes to rest must fail, not hang.
      if (turn > MAX_TURNS) throw new Error(`Still awake after ${turn} turns, at ${this.now} of ${untilMs} ms`)
      // Asleep until the timer, or until something arrives at which the application then does its work.
      this.now += this.watch.sleep(this.now) + this.#latenessMs[turn++ % this.#latenessMs.length]!
      for (let again = true, count = 0; again; count++) {
        if (count > MAX_TURNS) throw new Error(`Never asleep at ${this.now} ms`)
        const isDue = this.#blocks.length > 0 && this.#blocks[0]!.at <= this.now
        const block: Block | undefined =
          isDue && !(isBlockedTurn && this.#areBlocksApart) ? this.#blocks.shift() : undefined
        isBlockedTurn = block !== undefined
        if (block && block.kind !== 'after poll') this.#block(block)
        for (const peer of this.#peers) peer.onRead(this.now)
        if (block?.kind === 'after poll') this.#block(block)
        again = this.watch.turn(this.now)
      }
    }
  }

  /** Time that passed up to a real time, without the blocks. */
  awake(at: number): number {
    const [endedAt, blockedMs] = this.#history.findLast(([endedAt]) => endedAt <= at)!
    const next = this.#history[this.#history.findIndex(([time]) => time === endedAt) + 1]
    // Inside a block time stands still.
    return next ? Math.min(at - blockedMs, next[0] - next[1]) : at - blockedMs
  }

  #block({ lengthMs, kind }: Block): void {
    if (kind === 'suspend') {
      for (const peer of this.#peers) peer.arrivals = peer.arrivals.map((at) => (at > this.now ? at + lengthMs : at))
    }
    this.now += lengthMs
    this.#history.push([this.now, this.#history.at(-1)![1] + lengthMs])
  }
}

const kind = fc.constantFrom(
  'before timers' as const,
  'before poll' as const,
  'after poll' as const,
  'suspend' as const,
)

/** Intervals, timeouts, blocks of up to a few bounds, and timers that are late by less than what counts as a block. */
const setting: fc.Arbitrary<Setting> = fc
  .record({ intervalMs: fc.integer({ min: 1_000, max: 60_000 }), percent: fc.integer({ min: 15, max: 300 }) })
  .chain(({ intervalMs, percent }) => {
    const timeoutMs = Math.max(1_000, Math.round((intervalMs * percent) / 100))
    const boundMs = intervalMs + timeoutMs
    const tickMs = tickLengthMs(intervalMs, timeoutMs)
    return fc.record({
      intervalMs: fc.constant(intervalMs),
      timeoutMs: fc.constant(timeoutMs),
      blocks: fc.array(
        fc.record({
          at: fc.integer({ min: 0, max: 4 * boundMs }),
          lengthMs: fc.integer({ min: 1, max: 3 * boundMs }),
          kind,
        }),
        { maxLength: 8 },
      ),
      latenessMs: fc.array(fc.integer({ min: 0, max: 15 * tickMs }), { minLength: 1, maxLength: 7 }),
    })
  })

/** A number from 0 to `max`: when something happens within the time of the run, or a part of a limit. */
const part = (max = 1): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 1_000 * max }).map((permille) => permille / 1_000)
const parts = (maxLength: number): fc.Arbitrary<number[]> => fc.array(part(), { minLength: 1, maxLength })

test('[P1] a ghost is reaped within the bound of awake time, and not sooner than a timeout after a ping', () => {
  const ghosts = fc.array(parts(6), { minLength: 1, maxLength: 4 })
  check('guard: ghosts', fc.tuple(setting, ghosts), 2_000, ([setting, lives]) => {
    const { intervalMs, timeoutMs } = setting
    const boundMs = intervalMs + timeoutMs
    const peers = lives.map((life) => new ModelPeer(life.map((part) => part * 2 * boundMs)))
    const world = new World(setting, peers)
    world.run(1_000 * boundMs)
    for (const peer of peers) {
      expect(peer.reapedAt).toBeDefined()
      const reapedAt = world.awake(peer.reapedAt!)
      const heardAt = world.awake(peer.lastArrivalAt)
      // Both looks that count may be late by a timer each, and by rounding to whole milliseconds.
      const latenessMs = 2 * Math.max(...setting.latenessMs) + 6
      expect(reapedAt - heardAt).toBeLessThanOrEqual(boundMs + latenessMs)
      expect(peer.reapedAt! - peer.pingedAt.at(-1)!).toBeGreaterThanOrEqual(timeoutMs)
      expect(peer.pingedAt.at(-1)!).toBeGreaterThanOrEqual(peer.lastArrivalAt)
      expect(peer.silence.maxSilenceMs).toBeGreaterThanOrEqual(reapedAt - heardAt - 2)
      expect(peer.silence.silenceMs).toBeLessThanOrEqual(peer.reapedAt! - peer.lastArrivalAt + 1)
    }
  })
})

test('a peer that answers in time is never reaped, whatever holds up the event loop', () => {
  const lives = fc.array(fc.record({ latency: part(), arrivals: parts(6) }), {
    minLength: 1,
    maxLength: 4,
  })
  check('guard: live peers', fc.tuple(setting, lives), 2_000, ([setting, lives]) => {
    const boundMs = setting.intervalMs + setting.timeoutMs
    const peers = lives.map(
      ({ latency, arrivals }) =>
        new ModelPeer(
          arrivals.map((part) => part * 4 * boundMs),
          (latency * setting.timeoutMs) / 4,
        ),
    )
    const world = new World(setting, peers)
    world.run(5 * boundMs + setting.blocks.reduce((sum, { lengthMs }) => sum + lengthMs, 0))
    for (const peer of peers) {
      expect(peer.reapedAt).toBeUndefined()
      // Pings keep to a fixed grid, but each may be late by up to what counts as a block.
      const slackMs = 23 * tickLengthMs(setting.intervalMs, setting.timeoutMs) + 40
      for (const [index, at] of peer.pingedAt.entries()) {
        const spacingMs = at - (peer.pingedAt[index - 1] ?? -Infinity)
        expect(spacingMs).toBeGreaterThanOrEqual(setting.intervalMs - slackMs)
      }
    }
  })
})

test('a peer that is heard at least every third of the interval is never pinged', () => {
  check('guard: busy peers', fc.tuple(setting, parts(20)), 1_000, ([setting, gaps]) => {
    const { intervalMs, timeoutMs } = setting
    const untilMs = 4 * (intervalMs + timeoutMs)
    const arrivals: number[] = []
    // A suspended machine receives nothing; to its peers that is a gap.
    const blocks = setting.blocks.filter(({ kind }) => kind !== 'suspend')
    for (let at = 0; at < untilMs + 3 * blocks.length * untilMs;) {
      at += gaps[arrivals.length % gaps.length]! * (intervalMs / 3 - 1) + 1
      if (arrivals.length > 20_000) return
      arrivals.push(at)
    }
    const peer = new ModelPeer(arrivals)
    new World({ ...setting, blocks, areBlocksApart: true }, [peer]).run(untilMs)
    expect(peer.pingedAt).toEqual([])
  })
})

test('a burst of new connections is pinged spread over half of the interval', () => {
  const peers = Array.from({ length: 20_000 }, () => new ModelPeer([], 1))
  const setting: Setting = { intervalMs: 10_000, timeoutMs: 5_000, blocks: [], latenessMs: [0] }
  new World(setting, peers).run(10_000)
  const batches = new Map<number, number>()
  for (const { pingedAt } of peers) batches.set(pingedAt[0]!, (batches.get(pingedAt[0]!) ?? 0) + 1)
  expect(batches.size).toBeGreaterThanOrEqual(8)
  expect(Math.max(...batches.values())).toBeLessThanOrEqual(3_000)
})

test('a slow peer that takes its backlog in time is spared, and one that stops is reaped', () => {
  const transfer = fc.record({
    /** How long the backlog takes, in timeouts. */
    timeouts: part(10),
    /** How much of it fits into the kernel. */
    kernel: part().map((part) => 0.99 * part),
    /** The part after which the peer dies; 1 or more: it lives. */
    dies: part(1.5),
  })
  check('guard: slow peers', fc.tuple(setting, transfer), 500, ([setting, { timeouts, kernel, dies }]) => {
    const { intervalMs, timeoutMs } = setting
    const peer = new SlowPeer(timeouts * timeoutMs, kernel, dies, timeoutMs / 4)
    const world = new World({ ...setting, blocks: [] }, [peer])
    world.run(intervalMs + 40 * timeoutMs)
    const slackMs = timeoutMs / 4 + 13 * Math.max(...setting.latenessMs)
    if (dies >= 1) expect(peer.reapedAt).toBeUndefined()
    else expect(peer.reapedAt! - peer.pingedAt[0]!).toBeLessThanOrEqual(12 * timeoutMs + slackMs)
    // It dies behind a full kernel: one timeout in which bytes moved, one in which none did.
    if (dies + kernel < 1) {
      const diedAt = peer.pingedAt[0]! + dies * timeouts * timeoutMs
      expect(peer.reapedAt! - diedAt).toBeLessThanOrEqual(2 * timeoutMs + slackMs)
    }
  })
})
