import { expect } from 'vitest'
import { startChild } from './child.ts'
import { test } from './session-scene.ts'
import { isFull } from './storm.ts'
import { eventually } from './topic-scene.ts'

/** Short, so that a live client that is taken for dead shows. */
const heartbeat = { intervalMs: 1_000, timeoutMs: 500 }
const BOUND_MS = heartbeat.intervalMs + heartbeat.timeoutMs
/** Longer than a client has to answer, so that its time would be over by the end of a block. */
const BLOCK_MS = 600
/** From the end of one block to the beginning of the next. */
const BETWEEN_MS = 600
const BLOCKS = isFull ? 30 : 6
const PROCESSES = 3
const PER_PROCESS = 80
/** How much later than its bound a busy machine may be. */
const SLACK_MS = 5_000

interface Report {
  readonly messages: number
  readonly isInOrder: boolean
  readonly gaps: readonly unknown[]
  readonly endings: readonly unknown[]
}

test(
  'a server that broadcasts to some hundred clients, and stands still for more than half a second again and again, takes no live client for dead, and finds the one behind a black hole in time',
  { timeout: 120_000 },
  async ({ scene }) => {
    const ghostsAtMs: number[] = []
    const server = await startChild(
      scene,
      'topic-server-child',
      { topics: 4, perSecond: 25, messageBytes: 200, blockMs: BLOCK_MS, options: { heartbeat } },
      {
        told: (news) => {
          ghostsAtMs.push(performance.now())
          scene.journal.note('ghost', news)
        },
      },
    )
    const url = `ws://127.0.0.1:${await server.ready}`
    const options = { heartbeat: { intervalMs: 60_000, timeoutMs: 60_000 } }
    const children = await Promise.all(
      Array.from({ length: PROCESSES }, () =>
        startChild(scene, 'topic-subscribers-child', { url, clients: PER_PROCESS, topics: 4, options }),
      ),
    )
    const proxy = await scene.proxy({ port: Number(new URL(url).port) })
    const victim = await startChild(scene, 'topic-subscribers-child', { url: proxy.url, clients: 1, options })
    await Promise.all([...children, victim].map(({ ready }) => ready))
    await server.ask('start')
    const blocker = scene.connect(url, options)
    const block = () => blocker.session.send('stand still')
    const pause = () => new Promise((resolve) => void setTimeout(resolve, BETWEEN_MS))

    for (let blocks = 0; blocks < BLOCKS; blocks++) {
      await block()
      await pause()
    }
    const { ghosts } = await server.ask('report')
    expect(ghosts).toEqual([])
    const reports = (await Promise.all(children.map((child) => child.ask('report')))).flat() as Report[]
    expect(reports).toHaveLength(PROCESSES * PER_PROCESS)
    for (const { endings, gaps, isInOrder } of reports)
      expect({ endings, gaps, isInOrder }).toEqual({ endings: [], gaps: [], isInOrder: true })

    // The blocks go on, and take time that does not count: as much of each period as they last.
    proxy.blackHole()
    const faultMs = performance.now()
    const over = new AbortController()
    const blocking = (async () => {
      while (!over.signal.aborted) {
        await block()
        await pause()
      }
    })()
    await eventually(scene, 'the ghost', () => ghostsAtMs[0])
    over.abort()
    await blocking
    const tookMs = ghostsAtMs[0]! - faultMs
    const boundMs = (BOUND_MS * (BLOCK_MS + BETWEEN_MS)) / BETWEEN_MS + BLOCK_MS
    console.info(
      `a ghost among ${reports.length + 1} clients, with blocks: known after ${tookMs.toFixed(0)} ms, bound ${boundMs.toFixed(0)} ms`,
    )
    expect(tookMs).toBeLessThan(boundMs + SLACK_MS)
    const after = await server.ask('stop')
    expect(after.ghosts).toHaveLength(1)
    expect(after.blocks).toBeGreaterThan(BLOCKS)
    // All of them have got everything, once.
    const last = Math.max(...after.sent)
    await eventually(scene, 'all messages', async () =>
      ((await Promise.all(children.map((child) => child.ask('report')))).flat() as Report[]).every(
        ({ messages }) => messages === last,
      ),
    )
  },
)
