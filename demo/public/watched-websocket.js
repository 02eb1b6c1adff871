// @ts-check

/** @import { Track } from './track.js' */

/**
 * The browser's WebSocket, with everything that happens to it written down. Both columns are given one instead of
 * `WebSocket`, so that one instrument measures both and neither tells its own story.
 *
 * @param {Track} track
 * @returns {typeof WebSocket}
 */
export function watchedWebSocket(track) {
  return class extends WebSocket {
    /**
     * @param {string | URL} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols) {
      super(url, protocols)
      track.began(this, performance.now())
      this.addEventListener('open', () => track.opened(this, performance.now()))
      this.addEventListener('message', ({ data }) => track.received(this, data, performance.now()))
      this.addEventListener('close', () => track.ended(this, true, performance.now()))
    }

    /** @override @param {string} data */
    send(data) {
      super.send(data)
      if (data === 'ping') track.pinged(this, performance.now())
    }

    /** @override @param {number} [code] @param {string} [reason] */
    close(code, reason) {
      track.ended(this, false, performance.now())
      super.close(code, reason)
    }
  }
}
