import { createHash, randomBytes } from 'node:crypto'
import { HeartlineError } from '../core/error.ts'
import type { Attachment } from '../core/server-session.ts'
import { CloseCode } from '../protocol/close-codes.ts'
import { encodeReject } from '../protocol/encode.ts'
import type { GapReason, Hello } from '../protocol/frame.ts'
import type { AttachRequest, Refusal, Store } from '../stores/store.ts'
import type { CheckedOptions, ServerOptions } from './options.ts'
import type { Identity } from './identity.ts'
import type { SessionConnection } from './session-connection.ts'
import type { Session } from './session.ts'

/** What a client that was let in gets. */
export interface Admission<I extends Identity> {
  readonly identity: I
  /** Name of the session that it is now attached to. */
  readonly id: string
  readonly attachment: Attachment
  readonly token: string
  readonly isNew: boolean
  /** Why it is not the session that it asked for. */
  readonly reason: GapReason | undefined
}

/** What the handshake asks its server. */
export interface HandshakeHost<I extends Identity> {
  readonly store: Store
  readonly options: CheckedOptions
  readonly authenticate: ServerOptions<I>['authenticate']
  readonly sessions: ReadonlyMap<string, Session<I>>
  readonly isClosing: boolean
  /** New sessions that the store has been asked for, and that are not among {@link sessions} yet. */
  creating: number
  error(error: HeartlineError): void
}

/** How long clients stay away that came to a full or closing server. */
const RETRY_AFTER_MS = 5_000

/**
 * Decides about a HELLO: who is it, and which session does it get. Rejects it in-band, since a browser cannot read an HTTP
 * error.
 *
 * @returns `undefined` if the connection was rejected, or is gone by now
 */
export async function admit<I extends Identity>(
  host: HandshakeHost<I>,
  connection: SessionConnection,
  hello: Hello,
): Promise<Admission<I> | undefined> {
  const identity = await identify(host, connection, hello.auth)
  if (!identity || connection.isOver) return
  if (host.isClosing) return reject(connection, CloseCode.tryLater, 'the server is closing', RETRY_AFTER_MS)
  const token = randomBytes(24).toString('base64url')
  try {
    return await attach(host, connection, hello, identity, token)
  } catch (cause) {
    host.error(new HeartlineError('ERR_STORE', 'A client could not be attached: the store failed.', { cause }))
    return reject(connection, CloseCode.tryLater, 'the store failed', RETRY_AFTER_MS)
  }
}

async function identify<I extends Identity>(
  { authenticate, error }: HandshakeHost<I>,
  connection: SessionConnection,
  auth: unknown,
): Promise<I | undefined> {
  if (!authenticate) return { subject: '' } as I
  try {
    const answer = await authenticate({ auth, request: connection.request! })
    // The empty text, too: it would be the anonymous subject.
    if (!answer) return reject(connection, CloseCode.unauthorized, 'unauthorized')
    if (typeof answer === 'string') return { subject: answer } as I
    if (typeof answer.subject !== 'string')
      throw new TypeError(`Expected \`subject\` to be text, got ${typeof answer.subject}.`)
    return answer
  } catch (cause) {
    error(new HeartlineError('ERR_PROVIDER', 'A client could not be authenticated: `authenticate` failed.', { cause }))
    return reject(connection, CloseCode.tryLater, 'authentication failed', RETRY_AFTER_MS)
  }
}

async function attach<I extends Identity>(
  host: HandshakeHost<I>,
  connection: SessionConnection,
  hello: Hello,
  identity: I,
  token: string,
): Promise<Admission<I> | undefined> {
  const { store, options, sessions } = host
  const { resume } = hello
  const { subject } = identity
  const tokenHash = sha256(token)
  let reason: GapReason | undefined
  if (resume) {
    const { session: id } = resume
    // The store looks at the token first: who has none learns nothing, not even that the session exists.
    const sent = sessions.get(id)?.core.refuses(resume) ? -1 : resume.sent
    const { attempt = 0 } = resume
    const request = { session: id, subject, tokenHash: sha256(resume.token), nextTokenHash: tokenHash, sent, attempt }
    const attachment = await attachInStore(store, sessions.get(id), request)
    if (typeof attachment !== 'string') return { identity, id, attachment, token, isNew: false, reason: undefined }
    // The client has attached by another attempt already, and must keep that connection.
    if (attachment === 'late') return reject(connection, CloseCode.superseded, 'a later attempt was faster')
    reason = attachment
  }
  // A resumed session takes no room; a new one may find none.
  const id = randomBytes(16).toString('base64url')
  const maxPerSubject = subject === '' ? Infinity : options.maxSessionsPerSubject
  let attachment: Attachment | undefined
  if (sessions.size + host.creating < options.maxSessions) {
    host.creating++
    try {
      const created = store.create({ session: id, subject, tokenHash, maxPerSubject })
      attachment = created instanceof Promise ? await created : created
    } finally {
      // Otherwise whoever takes it does so.
      if (!attachment) host.creating--
    }
  }
  if (!attachment) return reject(connection, CloseCode.tryLater, 'too many sessions', RETRY_AFTER_MS)
  return { identity, id, attachment, token, isNew: true, reason }
}

/** A session that is here has to know that the store is asked. */
async function attachInStore(
  store: Store,
  session: Session | undefined,
  request: AttachRequest,
): Promise<Attachment | Refusal> {
  session?.core.attaching()
  let hasFailed = true
  try {
    const answer = await store.attach(request)
    hasFailed = false
    return answer
  } finally {
    // Not before the answer has been taken into account.
    setImmediate(() => session?.core.attachAnswered(hasFailed))
  }
}

function reject(connection: SessionConnection, code: number, reason: string, retryAfterMs?: number): undefined {
  if (connection.isOver) return
  connection.transmit(encodeReject({ code, reason, ...(retryAfterMs !== undefined && { retryAfterMs }) }))
  connection.close(code, reason)
}

function sha256(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
