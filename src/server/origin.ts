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
  if (typeof allowed === 'function') return allowed(origin, request)
  if (allowed) return allowed.some((one) => one.toLowerCase() === origin.toLowerCase())
  return /^https?:\/\/(.*)$/.exec(origin.toLowerCase())?.[1] === host?.toLowerCase()
}
