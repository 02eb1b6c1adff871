// Compile-time checks, run by `tsc`: each event has its fields, and no others.
import {
  HeartbeatWebSocket,
  ReconnectingWebSocket,
  type CloseEventLike,
  type ConnectionState,
  type Data,
  type DropEvent,
  type EndCause,
  type StateChangeEvent,
} from '../../src/websocket/index.ts'

const heartbeat = new HeartbeatWebSocket('wss://example.com')
const reconnecting = new ReconnectingWebSocket('wss://example.com')

for (const socket of [heartbeat, reconnecting]) {
  socket.onclose = (event) => {
    const fields: [number, string, boolean] = [event.code, event.reason, event.wasClean]
    // @ts-expect-error The cause is in `statechange` only.
    return [fields, event.cause]
  }
}

heartbeat.addEventListener('open', (event) => {
  const open: Event = event
  // @ts-expect-error It has no code.
  return [open, event.code]
})
heartbeat.addEventListener('close', (event) => {
  const code: number = event.code
  return code
})
heartbeat.addEventListener('message', ({ data, origin }) => [String(data), origin.length])
heartbeat.addEventListener('error', (event) => {
  // @ts-expect-error Not every runtime tells the message.
  const message: string = event.message
  return [message, event.error]
})
heartbeat.addEventListener('close', { handleEvent: (event) => event.code }, { once: true })
heartbeat.addEventListener('anything', (event) => event.type)
heartbeat.addEventListener('message', null)
const listener = (event: CloseEventLike) => event.code
heartbeat.removeEventListener('close', listener)
// @ts-expect-error Only ReconnectingWebSocket has that event.
heartbeat.addEventListener('statechange', (event) => event.state)
// @ts-expect-error Only ReconnectingWebSocket has that event.
heartbeat.onstatechange = null

reconnecting.addEventListener('statechange', (event) => {
  const state: ConnectionState = event.state
  const causes: EndCause | undefined = event.ending?.cause
  const messages: readonly Data[] = [...event.inDoubt, ...event.unsent]
  const numbers: [number, number, number | undefined] = [event.attempts, event.untracked, event.retryInMs]
  // @ts-expect-error There may be no ending.
  const code: number = event.ending.code
  // @ts-expect-error It is read-only.
  event.inDoubt.push('more')
  return [state, causes, messages, numbers, code]
})
reconnecting.onstatechange = function (event: StateChangeEvent) {
  const { state, retryInMs }: ReconnectingWebSocket = this
  return [event.state, state, retryInMs]
}
reconnecting.ondrop = ({ data, reason }: DropEvent) => {
  const reasons: 'overflow' | 'closed' = reason
  return [data, reasons]
}
reconnecting.addEventListener('drop', ({ data }) => reconnecting.send(data))
reconnecting.addEventListener('close', ({ code }) => code.toFixed())
// @ts-expect-error There is no such state.
export const isGone = reconnecting.state === 'gone'
export const latencyMs: number | undefined = heartbeat.latencyMs ?? reconnecting.silentForMs
