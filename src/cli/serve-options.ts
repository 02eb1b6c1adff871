import { UsageError, type Parsed } from './argument-parser.ts'
import { commonOptions } from './command.ts'

export const serveOptions = {
  port: {
    kind: 'number',
    value: 'port',
    about: 'port to listen on, 0 for a free one',
    least: 0,
    most: 65_535,
    fallback: 4_747,
    isWhole: true,
  },
  host: { kind: 'text', value: 'address', about: 'address to listen on (default 127.0.0.1, this machine alone)' },
  path: { kind: 'text', value: 'path', about: 'path of the URL (default /)' },
  'allow-origin': {
    kind: 'many',
    value: 'origin',
    about: 'origin of pages that may connect, or * (default: the origin of the server)',
  },
  ...commonOptions,
} as const

/** Where a server is to listen, and to whom. */
export interface ServePlan {
  readonly port: number
  readonly host: string
  readonly path: string
  readonly allowedOrigins?: readonly string[] | '*'
}

/** @throws UsageError */
export function servePlan({ given, positionals }: Parsed<typeof serveOptions>): ServePlan {
  if (positionals.length) throw new UsageError(`Expected options only, got ${JSON.stringify(positionals[0])}.`)
  const { port = serveOptions.port.fallback, host = '127.0.0.1', path = '/' } = given
  const origins = given['allow-origin']
  if (!/^\/[^?#\s]*$/.test(path)) throw new UsageError('Expected --path to begin with /, without ? and #.')
  if (!origins) return { port, host, path }
  if (origins.includes('*')) return { port, host, path, allowedOrigins: '*' }
  for (const origin of origins)
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new UsageError('Expected --allow-origin to be an origin, such as https://example.com, or *.')
  return { port, host, path, allowedOrigins: origins }
}
