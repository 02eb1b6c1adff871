import { beforeEach, expect, test } from 'vitest'
import { GhostCheck, type GhostTiming } from '../../src/core/ghost-check.ts'

const timing: GhostTiming = { pingMs: 10_000, lookMs: 4_000, beatMs: 1_000, timeoutMs: 5_000 }

class Peer extends GhostCheck {
  receivedBytes = 100
  sentBytes = 0
  queuedBytes = 0
  drainedBytes = 0
  isRead = true
}

let peer: Peer

beforeEach(() => {
  peer = new Peer()
  peer.begin(timing, 0, 0)
})

/** Looks whenever the peer wants to be looked at, up to a time; answers each ping request; returns what came out, and when. */
function run(until: number): [number, string][] {
  const actions: [number, string][] = []
  for (let now = peer.nextLookAt(timing); now <= until; now = peer.nextLookAt(timing)) {
    const action = peer.look(timing, now)
    if (action) actions.push([now, action])
    if (action === 'ping') peer.pinged(timing, now)
    if (action === 'suspect') break
  }
  return actions
}

test('pings a silent peer at the interval and suspects it a timeout later', () => {
  expect(run(60_000)).toEqual([
    [10_000, 'ping'],
    [15_000, 'suspect'],
  ])
  expect(peer.confirm(timing, 15_000)).toBe(true)
})

test('may ping a new connection early', () => {
  peer.begin(timing, 0, 3_000)
  expect(run(60_000)[0]).toEqual([7_000, 'ping'])
})

test('pings at a beat, early rather than late', () => {
  peer.begin(timing, 700, 0)
  expect(run(60_000)).toEqual([
    [10_000, 'ping'],
    [15_000, 'suspect'],
  ])
})

test('spares a suspect from which something came in at the last moment', () => {
  run(60_000)
  peer.receivedBytes++
  expect(peer.confirm(timing, 15_000)).toBe(false)
  expect(peer.phase).toBe('listening')
  expect(run(60_000)[0]![1]).toBe('ping')
})

test('pings an idle peer that answers once per interval', () => {
  const pings: number[] = []
  for (let now = 0; now <= 50_000; now += 50) {
    if (now < peer.nextLookAt(timing)) continue
    if (peer.look(timing, now) === 'ping') {
      pings.push(now)
      peer.pinged(timing, now)
      peer.receivedBytes += 6
    }
  }
  expect(pings).toEqual([10_000, 20_000, 30_000, 40_000, 50_000])
})

test('never pings a peer that is heard between any two looks', () => {
  for (let now = 0; now <= 100_000; now += 50) {
    if (now % 4_000 === 0) peer.receivedBytes++
    if (now >= peer.nextLookAt(timing)) expect(peer.look(timing, now)).toBeUndefined()
  }
})

test('takes any change of the count as life, also one that comes in fragments of a byte', () => {
  run(10_000)
  peer.receivedBytes += 1
  expect(peer.look(timing, 14_999)).toBeUndefined()
  expect(peer.phase).toBe('listening')
})

test('counts the silence from the look before the one that found a change', () => {
  expect(peer.look(timing, 4_000)).toBeUndefined()
  peer.receivedBytes++
  expect(peer.look(timing, 8_000)).toBeUndefined()
  expect([peer.heardAfter, peer.heardBefore]).toEqual([4_000, 8_000])
  expect(run(60_000)).toEqual([
    [14_000, 'ping'],
    [19_000, 'suspect'],
  ])
})

test('changes nothing when it is looked at early and often', () => {
  const actions: [number, string][] = []
  for (let now = 0; now < 15_000; now += 10) {
    const action = peer.look(timing, now)
    if (action) actions.push([now, action])
    if (action === 'ping') peer.pinged(timing, now)
  }
  expect(actions).toEqual([[10_000, 'ping']])
})

test('gives the timeout from the moment the ping was sent, not from the look', () => {
  for (const now of [4_000, 8_000, 10_000]) peer.look(timing, now)
  peer.pinged(timing, 10_400)
  expect(peer.look(timing, 15_399)).toBeUndefined()
  expect(peer.look(timing, 15_400)).toBe('suspect')
})

test('does not judge a peer that is not read', () => {
  peer.isRead = false
  expect(run(3_600_000)).toEqual([[10_000, 'ping']])
  peer.isRead = true
  expect(run(3_700_000).at(-1)![1]).toBe('suspect')
  peer.isRead = false
  expect(peer.confirm(timing, 3_700_000)).toBe(false)
  expect(peer.phase).toBe('pinged')
})

test('waits while the bytes in front of the ping drain, for twelve timeouts at most', () => {
  Object.assign(peer, { sentBytes: 1_000_000, queuedBytes: 1_000_000 })
  const actions: [number, string][] = []
  for (let now = 0; now < 200_000 && actions.at(-1)?.[1] !== 'suspect'; now += 100) {
    peer.drainedBytes++
    const action = peer.look(timing, now)
    if (action) actions.push([now, action])
    if (action === 'ping') peer.pinged(timing, now)
  }
  expect(actions).toEqual([
    [10_000, 'ping'],
    [70_000, 'suspect'],
  ])
})

test('suspects a peer whose backlog has stopped to drain', () => {
  Object.assign(peer, { sentBytes: 1_000_000, queuedBytes: 1_000_000 })
  run(12_000)
  peer.drainedBytes = 500_000
  expect(run(60_000)).toEqual([[20_000, 'suspect']])
})

test('waits on after the ping has got out from behind a backlog', () => {
  Object.assign(peer, { sentBytes: 1_000_000, queuedBytes: 1_000_000 })
  run(12_000)
  Object.assign(peer, { drainedBytes: 1_000_000, queuedBytes: 0 })
  expect(run(60_000)).toEqual([])
  peer.receivedBytes++
  expect(run(64_000)).toEqual([])
  expect(peer.phase).toBe('listening')
})

test('ignores bytes that drain when the ping was not behind them', () => {
  run(12_000)
  Object.assign(peer, { sentBytes: 1_000_000, queuedBytes: 400_000, drainedBytes: 600_000 })
  expect(run(60_000)).toEqual([[15_000, 'suspect']])
})
