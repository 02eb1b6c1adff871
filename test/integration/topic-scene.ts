import type { ConnectOptions, GapEvent, SubscribeOptions, Subscription, TopicMessage } from '../../src/client/index.ts'
import type { Position } from '../../src/protocol/frame.ts'
import type { ServerOptions, SessionServer } from '../../src/server/index.ts'
import type { ObservedServer, ObservedServerSession, ObservedSession, SessionScene } from './session-scene.ts'

/** Long enough for any machine: it only bounds a test that fails. */
const PATIENCE_MS = 15_000

export const isTrue = (): boolean => true

/** All that a subscription has told. */
export class ObservedSubscription {
  readonly subscription: Subscription
  readonly messages: TopicMessage[] = []
  /** Where it began, or went on. */
  readonly positions: Position[] = []
  readonly gaps: GapEvent[] = []
  readonly ends: string[] = []
  readonly errors: Error[] = []

  constructor(subscription: Subscription, scene: SessionScene, name: string, isListening: boolean) {
    this.subscription = subscription
    const { journal } = scene
    subscription.on('subscribed', ({ position }) => {
      this.positions.push(position)
      journal.note(`${name}: subscribed`, position)
    })
    subscription.on('gap', (gap) => {
      this.gaps.push(gap)
      journal.note(`${name}: gap`, gap)
    })
    subscription.on('ended', ({ reason }) => {
      this.ends.push(reason)
      journal.note(`${name}: ended`, reason)
    })
    subscription.on('error', (error) => {
      this.errors.push(error)
      journal.note(`${name}: error`, error.message)
    })
    if (!isListening) return
    subscription.on('message', (message) => {
      this.messages.push(message)
      journal.note(`${name}: message`, message.data)
    })
  }

  get texts(): string[] {
    return this.messages.map(({ data }) => String(data))
  }

  get offsets(): (number | undefined)[] {
    return this.messages.map(({ position }) => position?.offset)
  }
}

/** Subscribes, and keeps all that comes. @param isListening otherwise the test adds its own listener for messages */
export function subscribe(
  scene: SessionScene,
  { session }: ObservedSession,
  topic: string,
  options: SubscribeOptions = {},
  isListening = true,
): ObservedSubscription {
  return new ObservedSubscription(session.subscribe(topic, options), scene, topic, isListening)
}

/** Resolves when the server has answered, for the `count`th time. */
export function isSubscribed(scene: SessionScene, observed: ObservedSubscription, count = 1): Promise<unknown> {
  return scene.journal.until('a subscription', () => observed.positions.length >= count)
}

/** Resolves with the texts when there are so many. */
export async function texts(
  scene: SessionScene,
  observed: { readonly texts: string[]; readonly messages: readonly unknown[] },
  count: number,
): Promise<string[]> {
  await scene.journal.until(`${count} messages`, () => observed.messages.length >= count)
  return observed.texts
}

/** Publishes one after the other. */
export async function publish(server: SessionServer, topic: string, messages: readonly string[]): Promise<void> {
  for (const message of messages) await server.publish(topic, message)
}

/** A client behind a proxy that is let in, and may subscribe to everything. */
export async function proxied(
  scene: SessionScene,
  serverOptions: ServerOptions = {},
  clientOptions: ConnectOptions = {},
) {
  const server = await scene.sessionServer({ authorize: isTrue, ...serverOptions })
  const proxy = await scene.proxy(server)
  const door = new Door()
  const client = scene.connect(() => door.passed(proxy.url), clientOptions).listen(scene)
  await scene.isOpen(client)
  return { server, proxy, door, client, served: server.sessions[0]! }
}

/** Attempts to connect wait while it is shut. */
export class Door {
  #open: Promise<void> = Promise.resolve()
  #resolve = (): void => {}

  shut(): void {
    this.#open = new Promise((resolve) => (this.#resolve = resolve))
  }

  open(): void {
    this.#resolve()
  }

  async passed<T>(url: T): Promise<T> {
    await this.#open
    return url
  }
}

/** Cuts all connections of a proxy; attempts wait until the door opens. Resolves when both ends know. */
export async function away(
  scene: SessionScene,
  { proxy, door, client, served }: Awaited<ReturnType<typeof proxied>>,
): Promise<void> {
  door.shut()
  proxy.reset()
  await scene.journal.until('the client to know', () => client.session.state !== 'open')
  await scene.journal.until('the server to know', () => !served.session.isConnected)
}

/** The session of a client, as the server sees it. */
export function servedOf(server: ObservedServer, { session }: ObservedSession): ObservedServerSession {
  return server.sessions.find((served) => served.session.id === session.id)!
}

/** Resolves when something is true that nobody tells. */
export async function eventually(
  scene: SessionScene,
  what: string,
  isTrue: () => unknown,
  withinMs = PATIENCE_MS,
): Promise<void> {
  let isLate = false
  const timer = setTimeout(() => (isLate = true), withinMs)
  while (!(await isTrue())) {
    if (isLate) throw new Error(`Within ${withinMs} ms not so: ${what}. Seen:\n${scene.journal}`)
    await new Promise((resolve) => void setTimeout(resolve, 5))
  }
  clearTimeout(timer)
}
