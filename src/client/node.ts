import { Buffer } from 'node:buffer'
import { WebSocket } from 'ws'
import type { Provider } from '../host/provider.ts'
import { MAX_HEADER } from '../protocol/limits.ts'
import { connect as connectWith } from './index.ts'
import { connectRules, type ConnectOptions, type SessionTransportConstructor } from './options.ts'
import type { Session } from './session.ts'

/** A text takes up to three bytes for each UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3
/** The server's window, and what is not limited by it. */
const MORE_BYTES = MAX_BYTES_PER_UNIT * 262_144 + MAX_HEADER
/** As much as `ws` can be told. */
const MAX_PAYLOAD = 2_147_483_647
/** Milliseconds that a server has to answer a close frame. */
const CLOSE_TIMEOUT_MS = 2_000

/** Longest text for which another copy costs less than another piece. */
const MAX_MERGED = 512
const TEXT = { binary: false }

/**
 * A dead connection of `ws` can be dropped at once; Node's own WebSocket keeps it until the kernel gives up. And it takes no more
 * memory for a message than one of the largest size needs.
 */
function webSocketFor(maxMessageBytes: number): SessionTransportConstructor {
  const maxPayload = Math.min(MAX_PAYLOAD, MAX_BYTES_PER_UNIT * maxMessageBytes + MORE_BYTES)
  // Not written where it is used: the types of `ws` do not know `closeTimeout`.
  const options = { perMessageDeflate: false, maxPayload, closeTimeout: CLOSE_TIMEOUT_MS }
  return class NodeWebSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols, options)
    }

    /** What `ws` is given as bytes it masks into the frame, which then leaves in one piece; with a text it leaves in two. */
    override send(message: string | Uint8Array): void {
      if (typeof message === 'string' && message.length <= MAX_MERGED) super.send(Buffer.from(message), TEXT)
      else super.send(message)
    }
  }
}

/** As in a browser, with the WebSocket of the `ws` package as default. */
export function connect(url: Provider<string | URL>, options: ConnectOptions = {}): Session {
  const { maxMessageBytes = connectRules.maxMessageBytes[0] } = options
  return connectWith(url, { WebSocket: webSocketFor(maxMessageBytes), ...options })
}

export { CloseCode, HeartlineError } from './index.ts'
export type * from './index.ts'
