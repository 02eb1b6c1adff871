import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { virtualClock } from '../../src/testing/index.ts'
import type { Scene } from './scene.ts'

/**
 * Makes the clock of this process virtual. Sockets stay real: after each step the time stands still until another
 * connection has carried messages back and forth, so that what the step has caused has arrived, too.
 *
 * @returns lets time pass
 */
export async function virtualTime(scene: Scene): Promise<(ms: number) => Promise<void>> {
  const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  await once(echo, 'listening')
  const socket = new WebSocket(`ws://127.0.0.1:${(echo.address() as AddressInfo).port}`)
  await once(socket, 'open')
  const clock = virtualClock()
  const uninstall = clock.install()
  scene.atEnd(() => {
    uninstall()
    socket.terminate()
    echo.close()
  })
  return async (ms) => {
    for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
      await clock.advanceAsync(1_000)
      for (let times = 0; times < 3; times++) {
        socket.send('and back')
        await once(socket, 'message')
      }
    }
  }
}
