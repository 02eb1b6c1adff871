import { WebSocket } from 'ws'

/** A `ws` class that counts how many connections or attempts of it there are at the same time. */
export function countedWebSocket() {
  const count = { made: 0, live: 0, maxLive: 0 }
  class CountedWebSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      count.made++
      count.maxLive = Math.max(count.maxLive, ++count.live)
      let isLive = true
      const end = () => {
        if (isLive) count.live--
        isLive = false
      }
      this.on('close', end)
      const terminate = this.terminate.bind(this)
      // Whoever is terminated is not waited for.
      this.terminate = () => {
        end()
        terminate()
      }
    }
  }
  return { count, WebSocket: CountedWebSocket }
}
