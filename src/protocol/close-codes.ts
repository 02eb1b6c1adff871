/** The close codes that any connection may end with, with or without a session. */
export const LinkCode = {
  /** Nothing was received in time: the path is dead. Given locally; a peer that can still hear sees it too. */
  heartbeatTimeout: 4701,
  /** The page went away (`pagehide`), into the back/forward cache or for good. Given locally; the server sees it too. */
  pageHidden: 4702,
  /** The attempt did not reach the open state within `connectTimeoutMs`. Given locally. */
  connectTimeout: 4801,
  /** A URL, protocol or auth provider threw, rejected, or returned something that cannot be used. Given locally. */
  providerFailed: 4802,
} as const

/**
 * Close codes that heartline itself gives, all of them in the range that RFC 6455 leaves to private use.
 *
 * The hundreds tell a peer that does not know the code what to do: 47xx reconnect now, 48xx reconnect
 * with back-off, 49xx do not reconnect.
 *
 * @see RFC 6455, section 7.4.2
 * @see PROTOCOL.md#close-codes
 */
export const CloseCode = {
  /** As in {@link LinkCode}; written out, since bundlers keep what spreads another object. */
  heartbeatTimeout: 4701,
  pageHidden: 4702,
  /** The server goes away: the session can be resumed elsewhere, or here after a restart. */
  goingAway: 4703,
  connectTimeout: 4801,
  providerFailed: 4802,
  /** The server has reached a limit and takes this client later, or the client has and comes later. */
  tryLater: 4803,
  /** No HELLO came within the server's `handshakeTimeoutMs`. */
  handshakeTimeout: 4804,
  /** A DATA frame does not continue the numbers of its stream. */
  outOfOrder: 4805,
  /** The server does not accept the client's authentication. */
  unauthorized: 4901,
  /** Another connection has resumed the session; this one must not fight for it. */
  superseded: 4902,
  /** A frame that is malformed, unknown, or not allowed in this state. */
  protocolError: 4903,
  /** A message, or all that is not yet acknowledged, is larger than the receiver allows. */
  tooLarge: 4904,
  /** The server does not speak `heartline.v1`. Given locally. */
  notHeartline: 4905,
} as const satisfies typeof LinkCode & Record<string, number>

/** One of the close codes of {@link CloseCode}. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]
