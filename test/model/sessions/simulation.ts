import { memoryStore } from '../../../src/stores/memory.ts'
import type { Payload } from '../../../src/protocol/frame.ts'
import { ClientProcess, type ClientSettings } from './client-process.ts'
import { EventQueue } from './event-queue.ts'
import { ServerProcess, type ServerSettings, type SimulatedSession } from './server-process.ts'
import { StoreFront, type StoreTrouble } from './store-front.ts'
import { Wire, type NetworkState, type Side } from './wire.ts'

export type Step =
  | { readonly kind: 'send'; readonly from: Side; readonly count: number; readonly size: number }
  | { readonly kind: 'halfOpen'; readonly to: Side | 'both' }
  | { readonly kind: 'cut' | 'wake' | 'restart' | 'replay' | 'goAway' | 'close' | 'crash' }
  | { readonly kind: 'network'; readonly delayMs: number }
  | { readonly kind: 'down'; readonly isDown: boolean }
  | { readonly kind: 'freeze'; readonly who: Side; readonly forMs: number }
  | { readonly kind: 'storeLoses'; readonly what: 'request' | 'reply' }

export interface Schedule {
  /** For all that is random inside. */
  readonly seed: number
  readonly client: ClientSettings
  readonly server: ServerSettings
  readonly inboxMessages: number
  readonly storeDelayMs: number | undefined
  readonly delayMs: number
  readonly steps: readonly { readonly afterMs: number; readonly step: Step }[]
}

/** Time at the end, with a healthy network, in which everything has to come to rest: at least, and at most. */
const REST_MS = 200_000
const MAX_REST_MS = 4_000_000
/** Nothing takes so many events: a run that does is going round in circles. */
const MAX_EVENTS = 400_000

/** What is there when everything has come to rest. */
export interface Outcome {
  readonly schedule: Schedule
  readonly client: ClientProcess
  readonly server: ServerProcess
  /** All sessions of all server processes, oldest first. */
  readonly sessions: readonly SimulatedSession[]
  /** Another client has taken the session with a stolen HELLO. */
  readonly wasReplayed: boolean
  readonly wasRestarted: boolean
}

/** Plays a schedule: a client, a server, a store, and a network between them that fails. */
export function simulate(schedule: Schedule): Outcome {
  const queue = new EventQueue()
  const random = randomFrom(schedule.seed)
  const network: NetworkState = { delayMs: schedule.delayMs, isDown: false }
  const trouble: StoreTrouble = {
    isNear: schedule.storeDelayMs === undefined,
    delayMs: schedule.storeDelayMs ?? 0,
    losses: [],
  }
  const history: SimulatedSession[] = []
  const wires: Wire[] = []
  const startServer = (): ServerProcess => {
    const store = memoryStore({ maxMessages: schedule.inboxMessages })
    return new ServerProcess(queue, new StoreFront(queue, store, trouble), schedule.server, history)
  }
  let server = startServer()
  let names = 0
  let wasReplayed = false
  let wasRestarted = false
  const connect = (wire: Wire): void => {
    wires.push(wire)
    server.accept(wire)
  }
  const client = new ClientProcess(queue, network, schedule.client, random, connect)
  const forEachWire = (act: (wire: Wire) => void): void => {
    for (const wire of wires) act(wire)
  }

  let events = 0
  const runUntil = (time: number): void => {
    for (;;) {
      const at = Math.min(queue.nextAt, client.deadline)
      if (at > time) break
      if (++events > MAX_EVENTS) throw new Error('It does not come to rest.')
      if (client.deadline < queue.nextAt) {
        queue.now = Math.max(queue.now, client.deadline)
        client.tick()
      } else queue.runNext()
    }
    queue.now = time
  }

  const play = (step: Step): void => {
    switch (step.kind) {
      case 'send':
        for (let index = 0; index < step.count; index++) {
          const name = `${step.from} ${names++}`
          const data = payload(name, step.size)
          if (step.from === 'client') client.send(name, data)
          else for (const session of server.sessions.values()) server.send(session, data)
        }
        break
      case 'halfOpen':
        if (step.to !== 'client') forEachWire((wire) => wire.lose('server'))
        if (step.to !== 'server') forEachWire((wire) => wire.lose('client'))
        break
      case 'cut':
        forEachWire((wire) => wire.cut())
        break
      case 'network':
        network.delayMs = step.delayMs
        break
      case 'down':
        network.isDown = step.isDown
        if (step.isDown) forEachWire((wire) => (wire.lose('server'), wire.lose('client')))
        break
      case 'freeze':
        ;(step.who === 'client' ? client : server).freeze(step.forMs)
        break
      case 'restart':
        wasRestarted = true
        server.crash()
        server = startServer()
        break
      case 'replay':
        wasReplayed = replay(queue, network, client, connect) || wasReplayed
        break
      case 'goAway':
        server.goAway(3_000)
        break
      case 'storeLoses':
        trouble.losses.push(step.what)
        break
      case 'wake':
        client.wake()
        break
      case 'close':
        client.close()
        break
      case 'crash':
        client.crash()
        break
    }
  }

  for (const { afterMs, step } of schedule.steps) {
    runUntil(queue.now + afterMs)
    play(step)
  }
  network.isDown = false
  network.delayMs = Math.min(network.delayMs, 200)
  trouble.losses.length = 0
  // With a window of one message and a store that takes seconds, each message takes seconds.
  const isAtRest = (): boolean => {
    const session = server.sessions.get(client.core.id ?? '')
    const isOver = client.isDead || client.core.state === 'closed'
    return isOver || (!client.core.pending && session !== undefined && session.acked === session.last)
  }
  const restFrom = queue.now
  do runUntil(queue.now + REST_MS)
  while (!isAtRest() && queue.now < restFrom + MAX_REST_MS)
  return { schedule, client, server, sessions: history, wasReplayed, wasRestarted }
}

/** Somebody sends the client's last HELLO once more: a duplicated tab, or a thief. It reads, and goes. */
function replay(
  queue: EventQueue,
  network: NetworkState,
  client: ClientProcess,
  connect: (wire: Wire) => void,
): boolean {
  const hello = client.hellos.at(-1)
  if (!hello?.resume) return false
  const wire = new Wire(queue, network, hello)
  wire.client = {
    received: (message) => {
      if (message[0] === 'W') wire.send('server', 'A' + hello.resume!.position.offset)
    },
    closed: () => {},
  }
  connect(wire)
  queue.after(2_000, () => wire.close('client', 1000))
  return true
}

/** Text for most, bytes for some; the name stands at its beginning. */
function payload(name: string, size: number): Payload {
  const text = name.padEnd(size, '.')
  return name.endsWith('3') ? Uint8Array.from(text, (char) => char.charCodeAt(0)) : text
}

export function nameOf(data: Payload): string {
  const text = typeof data === 'string' ? data : String.fromCharCode(...data.subarray(0, 40))
  return text.slice(0, 40).replace(/\.+$/, '')
}

/** A small generator, so that a schedule is the same each time. (mulberry32) */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}
