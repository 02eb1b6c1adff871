/**
 * Close codes that heartline itself gives, all of them in the range that RFC 6455 leaves to private use.
 *
 * The hundreds tell a peer that does not know the code what to do: 47xx reconnect now, 48xx reconnect
 * with back-off, 49xx do not reconnect.
 *
 * @see RFC 6455, section 7.4.2
 */
export const CloseCode = {
  /** Nothing was received in time: the path is dead. Given locally; a peer that can still hear sees it too. */
  heartbeatTimeout: 4701,
  /** The page went away (`pagehide`), into the back/forward cache or for good. Given locally; the server sees it too. */
  pageHidden: 4702,
  /** The attempt did not reach the open state within `connectTimeoutMs`. Given locally. */
  connectTimeout: 4801,
  /** A URL or protocol provider threw, rejected, or returned something that cannot be used. Given locally. */
  providerFailed: 4802,
} as const

/** One of the close codes of {@link CloseCode}. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]
