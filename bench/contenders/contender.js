// @ts-check
// What the session benchmarks ask of each library, so that one driver measures all of them.

/**
 * A message as the library hands it over: nothing is converted that the library leaves unconverted.
 *
 * @typedef {string | Buffer | ArrayBuffer | Buffer[]} Payload
 */

/**
 * The server's end of a connection, or of the session that outlives it.
 *
 * @typedef {object} Peer
 * @property {(data: Payload) => void} send
 * @property {(listener: (data: Payload) => void) => void} onMessage
 * @property {() => boolean} isFull whether so much is waiting to be sent that the producer should wait for `drained`
 * @property {() => Promise<unknown>} drained
 */

/**
 * The client's end.
 *
 * @typedef {object} Client
 * @property {(data: string) => void} send
 * @property {(listener: (data: Payload) => void) => void} onMessage
 * @property {(listener: () => void) => void} onReopen after a connection that was lost; never called if `recovers` is false
 * @property {() => unknown} close
 */

/**
 * @typedef {object} Contender
 * @property {string} name what `--contenders` and the processes call it
 * @property {string} label what the tables call it
 * @property {boolean} isBuilt
 * @property {boolean} recovers whether it reconnects by itself and delivers what was sent to it meanwhile
 * @property {(onConnection: (peer: Peer) => void) => Promise<{ url: string, close: () => unknown }>} serve with a heartbeat
 *   every `HEARTBEAT_MS` and no compression, on a free port
 * @property {(url: string) => Promise<Client>} connect resolves when the connection is open
 */

export const HEARTBEAT_MS = 10_000
