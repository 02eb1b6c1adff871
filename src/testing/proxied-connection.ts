import type { Socket } from 'node:net'
import { Flow, type Path } from './flow.ts'

/** What a {@link ProxiedConnection} asks its proxy, or tells it. */
export interface ProxiedConnectionShell {
  /** Begins to connect to the server. */
  dial(): Socket
  /** The client has closed its side, or has been cut off. */
  left(): void
  /** Both sockets have closed. */
  gone(): void
}

/** One connection: a client's socket, the server's one if it could be reached, and a {@link Flow} each way. */
export class ProxiedConnection {
  /** Whether the client is still there. */
  isOpen = true
  readonly #client: Socket
  readonly #shell: ProxiedConnectionShell
  readonly #pathToServer: Readonly<Path>
  readonly #toServer: Flow
  readonly #toClient: Flow
  #server: Socket | undefined

  constructor(client: Socket, toServer: Readonly<Path>, toClient: Readonly<Path>, shell: ProxiedConnectionShell) {
    this.#client = client
    this.#shell = shell
    this.#pathToServer = toServer
    this.#toServer = new Flow(toServer, {
      read: (isReading) => read(this.#client, isReading),
      write: (bytes) => !!this.#server?.write(bytes),
      end: () => this.#server?.end(),
      reset: () => reset(this.#server),
    })
    this.#toClient = new Flow(toClient, {
      read: (isReading) => read(this.#server, isReading),
      write: (bytes) => this.#client.write(bytes),
      end: () => this.#client.end(),
      reset: () => reset(this.#client),
    })
    this.#attach(client, this.#toServer, this.#toClient)
    client.on('end', () => this.#leave()).on('close', () => this.#leave())
    this.#toClient.ready()
  }

  /** The path is another one. */
  pathChanged(): void {
    // Where the client's bytes do not get through, its connection does not get to the server either.
    if (!this.#server && this.#pathToServer.mode === 'open' && this.#toServer.isWhole && !this.#client.destroyed) {
      this.#server = this.#shell.dial()
      this.#attach(this.#server, this.#toClient, this.#toServer)
      this.#server.on('connect', () => this.#toServer.ready())
    }
    this.#toServer.pathChanged()
    this.#toClient.pathChanged()
  }

  /** Resets both sockets. */
  reset(): void {
    this.#stop()
    reset(this.#client)
    reset(this.#server)
    this.#leave()
  }

  /** Closes both sockets in order, behind what was read from the other one. */
  end(): void {
    this.#toServer.finish()
    this.#toClient.finish()
  }

  /** Gives both sockets up. Resolves when they have closed. */
  async destroy(): Promise<void> {
    this.#stop()
    await Promise.all([destroy(this.#client), destroy(this.#server)])
  }

  #stop(): void {
    this.#toServer.stop()
    this.#toClient.stop()
  }

  #leave(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#shell.left()
  }

  /** Tells the flows what the socket does: `from` it to the other one, and `to` it. */
  #attach(socket: Socket, from: Flow, to: Flow): void {
    socket
      .on('data', (bytes) => from.received(bytes))
      .on('end', () => from.ended())
      .on('drain', () => to.ready())
      // 'close' follows and says that there was an error.
      .on('error', () => {})
      .on('close', (hadError) => {
        to.stop()
        if (hadError) from.failed()
        if (this.#client.closed && (this.#server?.closed ?? true)) this.#shell.gone()
      })
  }
}

function read(socket: Socket | undefined, isReading: boolean): void {
  if (isReading) socket?.resume()
  else socket?.pause()
}

function reset(socket: Socket | undefined): void {
  if (!socket || socket.destroyed) return
  if (socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}

async function destroy(socket: Socket | undefined): Promise<void> {
  if (socket && !socket.closed) await new Promise((resolve) => socket.once('close', resolve).destroy())
}
