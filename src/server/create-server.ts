import type { ServerOptions } from './options.ts'
import type { Identity } from './identity.ts'
import { SessionServer } from './session-server.ts'

/**
 * Makes a server of sessions, with a port of its own or at an existing HTTP or HTTPS server, such as that of Express.
 *
 * @throws HeartlineError `ERR_OPTION`
 * @example
 * const server = createServer({ port: 8080 })
 * server.on('session', (session) => {
 *   session.on('message', async ({ data }) => {
 *     await session.send(`you said ${data}`)
 *   })
 * })
 */
export function createServer<I extends Identity = Identity>(options: ServerOptions<I>): SessionServer<I> {
  return new SessionServer(options)
}
