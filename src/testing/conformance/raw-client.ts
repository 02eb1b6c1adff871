import { WebSocket } from 'ws'
import { encodeHello, encodeHelloEntry } from '../../protocol/encode.ts'
import type { Frame, Hello, Resume, Sub, Welcome, Window } from '../../protocol/frame.ts'
import { PROTOCOL } from '../../protocol/limits.ts'
import { ConformanceError } from './conformance-case.ts'
import { RawConnection, SOON_MS } from './raw-connection.ts'
import type { Transcript } from './transcript.ts'

/** How a raw client comes in. */
export interface Approach {
  /** Whether the HELLO is in the upgrade request, or the first frame. @default true */
  readonly inUpgrade?: boolean
  readonly resume?: Resume
  readonly window?: Window
  readonly auth?: unknown
  /** Subscriptions that HELLO asks for. */
  readonly topics?: readonly Sub[]
  /** Instead of all of that. */
  readonly protocols?: string[]
  readonly headers?: Record<string, string>
}

const WINDOW: Window = { messages: 1_000, bytes: 1_000_000 }

export const helloOf = ({ resume, window = WINDOW, auth, topics }: Approach): Hello => ({
  ...(resume && { resume }),
  ...(auth !== undefined && { auth }),
  window,
  ...(topics && { topics }),
})

/** A client that the runner plays. */
export class RawClient extends RawConnection {
  /** What the server has said. */
  welcome!: Welcome
  readonly #generation: string | undefined

  constructor(webSocket: WebSocket, { resume }: Approach, name: string, transcript: Transcript) {
    super(webSocket, name, transcript)
    this.#generation = resume?.position.generation
    this.received = resume?.position.offset ?? 0
    this.sent = resume?.sent ?? 0
  }

  /** The subprotocol that the server has selected. */
  get protocol(): string {
    return this.webSocket.protocol
  }

  /** What this client would resume with now. */
  get resume(): Resume {
    const { session, token, generation } = this.welcome
    return { session, token, position: { generation, offset: this.received }, sent: this.sent }
  }

  protected override came(frame: Frame): void {
    if (frame.type !== 'welcome') return
    this.welcome = frame.body
    if (!frame.body.resumed) this.sent = this.received = 0
    else if (frame.body.generation !== this.#generation) this.received = 0
  }
}

/** Opens a connection. @returns the status of the answer if the server refuses the upgrade */
export async function openRawClient(
  url: string,
  approach: Approach,
  name: string,
  transcript: Transcript,
): Promise<RawClient | number> {
  const { inUpgrade = true, headers = {} } = approach
  const hello = helloOf(approach)
  const protocols = approach.protocols ?? (inUpgrade ? [PROTOCOL, encodeHelloEntry(hello)] : [PROTOCOL])
  const webSocket = new WebSocket(url, protocols, { headers, perMessageDeflate: false, followRedirects: false })
  transcript.add(name, `→ upgrade, ${approach.protocols ? protocols.join(', ') : `hello ${JSON.stringify(hello)}`}`)
  const client = new RawClient(webSocket, approach, name, transcript)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      webSocket.terminate()
      reject(new ConformanceError(`Expected an answer to the upgrade request within ${SOON_MS} ms.`))
    }, SOON_MS)
    const settle = (result: RawClient | number): void => {
      clearTimeout(timer)
      resolve(result)
    }
    webSocket.once('open', () => {
      if (!inUpgrade && !approach.protocols) client.send(encodeHello(hello))
      settle(client)
    })
    webSocket.once('unexpected-response', (request, response) => {
      transcript.add(name, `← ${response.statusCode}`)
      request.destroy()
      settle(response.statusCode ?? 0)
    })
    // `ws` refuses an answer that selects what was not offered, and so on.
    webSocket.once('error', (error) => {
      clearTimeout(timer)
      reject(new ConformanceError(`Expected a WebSocket: ${error.message}`))
    })
  })
}
