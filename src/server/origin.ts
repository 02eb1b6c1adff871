import type { IncomingMessage } from 'node:http'
import type { ServerOptions } from './options.ts'

/**
 * Whether a page of the request's origin may connect. A WebSocket is not held to the same-origin policy: without this check
 * every page could act for whoever is logged in.
 *
 * @see RFC 6455, section 10.2
 */
export function isAllowedOrigin(request: IncomingMessage, allowed: ServerOptions['allowedOrigins']): boolean {
  const { origin, host } = request.headers
  if (origin === undefined || allowed === '*') return true
  // Nothing but true: a promise, which an async function returns, would let everybody in.
  if (typeof allowed === 'function') return allowed(origin, request) === true
  if (allowed) return allowed.some((one) => one.toLowerCase() === origin.toLowerCase())
  const [, ownHost] = /^https?:\/\/(.+)$/.exec(origin.toLowerCase()) ?? []
  return ownHost !== undefined && ownHost === host?.toLowerCase()
}
