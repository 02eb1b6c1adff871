/** What the guard calls on a connection of a `ws` server. */
export interface WebSocketLike {
  /** 1 open, 2 closing, 3 closed. */
  readonly readyState: number
  /** Bytes that `send()` took and that have not left the process. */
  readonly bufferedAmount: number
  terminate(): void
  on(event: 'close', listener: (this: any, ...args: any[]) => void): unknown
  off(event: 'close', listener: (this: any, ...args: any[]) => void): unknown
}

/** What the guard calls on a server of the `ws` package. */
export interface WebSocketServerLike<W extends WebSocketLike = WebSocketLike> {
  /** The open connections; absent with `clientTracking: false`. */
  readonly clients?: Iterable<W> | undefined
  on(event: 'connection', listener: (webSocket: W, request: RequestLike) => void): unknown
  off(event: 'connection', listener: (webSocket: W, request: RequestLike) => void): unknown
}

/** What the guard reads of an upgrade request. */
export interface RequestLike {
  readonly socket: object
}

/** What the guard reads of a connection's socket: a `net.Socket` or `tls.TLSSocket`. */
export interface SocketLike {
  readonly bytesRead: number
  /** Includes what waits in {@link writableLength}. `undefined` after the socket is destroyed. */
  readonly bytesWritten: number | undefined
  readonly writableLength: number
  readonly readableLength: number
  readonly readableHighWaterMark: number
  isPaused(): boolean
  write(bytes: Uint8Array): unknown
}

/**
 * Parts of Node's sockets that are not public and that nothing public replaces. The guard works without them, less
 * well: see `GuardedPeer`.
 */
export interface SocketInternals {
  /** The TCP socket under a TLS one. */
  readonly _parent?: (SocketLike & SocketInternals) | null
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

/** The part of a `ws` connection that says which socket it has. Not public, used only where there is no request. */
export interface WebSocketInternals {
  readonly _socket?: unknown
}
