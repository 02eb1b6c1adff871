/** What the classes need of a WebSocket: the WHATWG one, that of the `ws` package, or any other of that shape. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  // A method's parameters are compared both ways, so that every class whose `binaryType` has other names fits too.
  binaryType: any
  readonly bufferedAmount: number
  readonly extensions: string
  readonly protocol: string
  readonly readyState: number
  readonly url: string
  close(code?: number, reason?: string): void
  send(data: any): void
  /** Ends the connection without a closing handshake, where the runtime has it (`ws`, Bun). */
  terminate?(): void
}

export type WebSocketConstructor = new (url: string | URL, protocols?: string | string[]) => WebSocketLike
