import { WebSocket } from 'ws'
import { errorText } from './error-text.ts'

/**
 * The `WebSocket` of `ws`, with these headers in its upgrade request.
 *
 * @param failed called with what went wrong, which the events of a WebSocket do not tell everywhere
 */
export function tellingWebSocket(headers: Readonly<Record<string, string[]>>, failed: (error: string) => void) {
  return class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols, { headers })
      this.on('error', (error) => failed(errorText(error)))
    }
  }
}
