// @ts-check

/** @import { Track } from './track.js' */

/**
 * What a ping and its answer look like on the wire.
 * @typedef {{ ping: string, isPong: (data: unknown) => boolean }} Heartbeats
 */

/** Of the first two columns; @type {Heartbeats} */
export const PLAIN = { ping: 'ping', isPong: (data) => data === 'pong' }
/** and of a session. @type {Heartbeats} */
export const SESSION = { ping: 'P', isPong: (data) => data === 'Q' }

/**
 * The browser's WebSocket, with everything that happens to it written down. All columns are given one instead of
 * `WebSocket`, so that one instrument measures them and none tells its own story.
 *
 * @param {Track} track
 * @param {Heartbeats} heartbeats
 * @returns {typeof WebSocket}
 */
export function watchedWebSocket(track, { ping, isPong }) {
  return class extends WebSocket {
    /**
     * @param {string | URL} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols) {
      super(url, protocols)
      track.began(this, performance.now())
      this.addEventListener('open', () => track.opened(this, performance.now()))
      this.addEventListener('message', ({ data }) => track.heard(this, isPong(data), performance.now()))
      this.addEventListener('close', () => track.ended(this, true, performance.now()))
    }

    /** @override @param {string | Blob | BufferSource} data */
    send(data) {
      super.send(data)
      if (data === ping) track.pinged(this, performance.now())
    }

    /** @override @param {number} [code] @param {string} [reason] */
    close(code, reason) {
      track.ended(this, false, performance.now())
      super.close(code, reason)
    }
  }
}
