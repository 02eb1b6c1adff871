/** The subprotocol's name in the upgrade. */
export const PROTOCOL = 'heartline.v1'

/** Begins the entry of `Sec-WebSocket-Protocol` that carries a HELLO. @see PROTOCOL.md#hello */
export const HELLO_PREFIX = 'heartline.hello.'

/** A HELLO whose entry is longer goes into the first frame: proxies and servers limit headers. */
export const MAX_HELLO_ENTRY = 4_096

/** The longest frame header, from the type letter to the space. */
export const MAX_HEADER = 16_384

/** Most messages in one BATCH. */
export const MAX_BATCH_MESSAGES = 1_024

/** Most bytes of payload in one BATCH; a larger message travels alone. */
export const MAX_BATCH_BYTES = 65_536

/** Numbers and offsets have at most this many digits, so that every one of them is an exact double. */
export const MAX_DIGITS = 15

/** With more bytes than these waiting for a peer, PONG tells it nothing that they do not. @see PROTOCOL.md#ping */
export const MAX_QUEUED_BEFORE_PONG = 65_536

/** Longest name of a topic, in UTF-16 code units. */
export const MAX_TOPIC_NAME = 256
