/** The part of `phoenix` that the tests use; the package brings no types. */
declare module 'phoenix' {
  interface Push {
    receive(status: 'ok' | 'error' | 'timeout', callback: (response: unknown) => void): this
  }

  class Channel {
    join(): Push
    push(event: string, payload: object): Push
  }

  export class Socket {
    constructor(
      endPoint: string,
      options: {
        transport: new (url: string, protocols?: string | string[]) => object
        reconnectAfterMs?: (tries: number) => number
        rejoinAfterMs?: (tries: number) => number
      },
    )
    connect(): void
    disconnect(): void
    channel(topic: string): Channel
  }
}
