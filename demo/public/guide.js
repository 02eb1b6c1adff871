// @ts-check
import { ATTEMPT_HINT, CLOSE_HINT, count } from './words.js'

/** @import { StageClient } from './stage-client.js' */
/** @import { Track } from './track.js' */

/** @typedef {{ ordinary: Track, reconnecting: Track, session: Track }} Tracks */

/**
 * Tells in a sentence or two what one is looking at, and what to do next. No running numbers: it is read aloud.
 *
 * @param {StageClient} stage
 * @param {Tracks} tracks
 */
export function guide(stage, tracks) {
  const { ordinary, reconnecting, session } = tracks
  if (!stage.isReachable) return 'The demo’s server has gone.'
  const isAnyInTrouble = ordinary.trouble || reconnecting.trouble || session.trouble
  if (stage.cable !== 'in') return isAnyInTrouble ? whileBroken(stage, tracks) : 'The cable is out. Heal it to begin.'
  if (!stage.serverIsUp) return 'The server is away, and all were told: a server that stops says so.'
  if (ordinary.trouble && !reconnecting.trouble && !session.trouble)
    return `The other two are back${session.missedInAll ? '' : ', and the session got all that it had missed'}. The ordinary one ${ordinaryState(ordinary)}.`
  if (isAnyInTrouble) return 'Now it works again. Who is back first, and with what?'
  return whileWell(tracks)
}

/** @param {StageClient} stage @param {Tracks} tracks */
function whileBroken(stage, { ordinary, reconnecting, session }) {
  const isOneWay = stage.cable === 'oneWay'
  const haveNoticed = [reconnecting, session].every(({ trouble }) => trouble?.noticedAt !== undefined)
  if (!haveNoticed) {
    if (ordinary.trouble?.noticedAt !== undefined) return 'They begin to notice. Send a message now.'
    return isOneWay
      ? 'The server hears nothing of this page, but its readings still come in: all three say OPEN.'
      : 'The cable is out, and nobody was told: all three still say OPEN. Send a message now.'
  }
  const wereTold = reconnecting.trouble?.wasTold && session.trouble?.wasTold
  const how =
    wereTold && isOneWay
      ? 'heartline’s side of the server heard nothing more and hung up. The two on the right'
      : 'The two on the right have let go of the dead connection and'
  return `${how} try new ones. The ordinary one ${ordinaryState(ordinary)}. Send a message, then heal.`
}

/** @param {Track} track */
function ordinaryState({ readyState }) {
  if (readyState === 'CLOSING') return `has called close() and waits for its close event: ${CLOSE_HINT}`
  if (readyState === 'CONNECTING')
    return `hangs in an attempt, for which the recipe has no time limit (${ATTEMPT_HINT}; “Cut” frees it)`
  return readyState === 'OPEN' ? 'still says OPEN' : 'is about to try again'
}

/** @param {Tracks} tracks */
function whileWell({ ordinary, reconnecting, session }) {
  const all = [ordinary, reconnecting, session]
  if (all.some(({ readyState }) => readyState !== 'OPEN')) return 'Connecting…'
  const outages = all.map(({ outage }) => outage)
  if (outages.every((outage) => !outage))
    return 'Three connections, all alive. Pull the cable, send a message, wait a moment, then heal.'
  if (outages.every((outage) => outage?.survivedAt !== undefined))
    return 'That was too short to harm any of them. Give it some seconds.'
  const [first, second] = [ordinary.missedInAll, reconnecting.missedInAll]
  if (session.missedInAll || !(first || second)) return 'All three are back. Try another fault.'
  return (
    `All three are back. The first missed ${count(first, 'reading')}, the second ${second}, both for good. ` +
    'The session missed none: the server kept them and sent them again.'
  )
}
