import { WebSocket } from 'ws'
import type { Provider } from '../host/provider.ts'
import { connect as connectWith } from './index.ts'
import type { ConnectOptions } from './options.ts'
import type { Session } from './session.ts'

/** A dead connection of `ws` can be dropped at once; Node's own WebSocket keeps it until the kernel gives up. */
class NodeWebSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols, { perMessageDeflate: false })
  }
}

/** As in a browser, with the WebSocket of the `ws` package as default. */
export function connect(url: Provider<string | URL>, options: ConnectOptions = {}): Session {
  return connectWith(url, { WebSocket: NodeWebSocket, ...options })
}

export { CloseCode, HeartlineError } from './index.ts'
export type * from './index.ts'
