/** The part of `express` that the tests use; the package brings no types. */
declare module 'express' {
  import type { RequestListener, Server } from 'node:http'

  interface Express extends RequestListener {
    get(path: string, handler: (request: object, response: { send(body: string): void }) => void): this
    listen(port: number, host: string, listening: () => void): Server
  }

  export default function express(): Express
}
