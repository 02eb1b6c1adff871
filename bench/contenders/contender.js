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
 * The server of topics.
 *
 * @typedef {object} TopicServer
 * @property {string} url
 * @property {(topic: string, data: string) => void} publish to all that have subscribed to the topic
 * @property {() => number} connections open ones
 */

/**
 * A client of such a server. It gets its messages by the listener that it was made with.
 *
 * @typedef {object} Subscriber
 * @property {(topics: string[]) => Promise<unknown>} subscribe resolves when what is published from now on will come
 * @property {() => Promise<unknown>} drop loses the connection, and resolves when the client would connect again
 * @property {() => void} comeBack lets it, with all its subscriptions
 */

/**
 * @typedef {object} TopicOptions
 * @property {boolean} [retains] whether all that is published is kept for clients that come back; otherwise as much as is
 *   usual, which may be nothing
 */

/**
 * @typedef {object} Contender
 * @property {string} name what `--contenders` and the processes call it
 * @property {string} label what the tables call it
 * @property {boolean} recovers whether it reconnects by itself and delivers what was sent to it meanwhile
 * @property {(onConnection: (peer: Peer) => void) => Promise<{ url: string, close: () => unknown }>} serve with a heartbeat
 *   every `HEARTBEAT_MS` and no compression, on a free port
 * @property {(url: string) => Promise<Client>} connect resolves when the connection is open
 * @property {(options?: TopicOptions) => Promise<TopicServer>} serveTopics with a heartbeat every `TOPIC_HEARTBEAT_MS`
 * @property {(url: string, onMessage: (data: Payload) => void) => Promise<Subscriber>} join resolves when the connection is
 *   open, without any subscription
 */

export const HEARTBEAT_MS = 10_000

/** Longer than what is measured: no client that is stopped for a while is given up, by any library. */
export const TOPIC_HEARTBEAT_MS = 60_000
/** Nor is an attempt or a session, when so many come back at the same time that it takes minutes. */
export const TOPIC_CONNECT_TIMEOUT_MS = 240_000
