import { INTERVAL_MS, RETRY_MS, TIMEOUT_MS } from './timing.js'

/**
 * The first column: the usual recipe, as countless articles have it. Send a ping on a timer; if no pong comes, call
 * close(); connect again in onclose. Nothing in it is made worse than it is found.
 */
export function connectByRecipe(url, onMessage, WebSocket = globalThis.WebSocket) {
  let socket, pingTimer, pongTimer

  function connect() {
    socket = new WebSocket(url)
    socket.onopen = () => {
      pingTimer = setInterval(ping, INTERVAL_MS)
    }
    socket.onmessage = ({ data }) => {
      if (data === 'pong') clearTimeout(pongTimer)
      else onMessage(JSON.parse(data))
    }
    socket.onclose = () => {
      clearInterval(pingTimer)
      clearTimeout(pongTimer)
      setTimeout(connect, RETRY_MS)
    }
  }

  function ping() {
    socket.send('ping')
    pongTimer = setTimeout(giveUp, TIMEOUT_MS)
  }

  function giveUp() {
    clearInterval(pingTimer)
    socket.close()
    // onclose connects again: as soon as it is called.
  }

  /** Returns whether there was a connection to send it by. */
  function send(data) {
    if (socket.readyState !== WebSocket.OPEN) return false
    socket.send(data)
    return true
  }

  connect()
  return { send }
}
