/** Where a runtime has it (Node, Bun, Deno): the end of the turn of the event loop that is going on. */
const { setImmediate } = globalThis as { setImmediate?: (call: () => void) => unknown }

const calls: (() => void)[] = []
let port: MessagePort | undefined

/**
 * Calls a function when all that has arrived together has been handled: what its handlers send can then travel together.
 * In a browser that is a message to ourselves; a timer would wait 4 ms, and a second in a hidden tab.
 */
export function atEndOfTurn(call: () => void): void {
  if (setImmediate) return void setImmediate(call)
  if (!port) {
    const channel = new MessageChannel()
    channel.port1.onmessage = () => calls.shift()?.()
    port = channel.port2
  }
  calls.push(call)
  port.postMessage(0)
}
