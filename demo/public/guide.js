// @ts-check
import { ATTEMPT_HINT, CLOSE_HINT, duration } from './words.js'

/** @import { StageClient } from './stage-client.js' */
/** @import { Outage, Track } from './track.js' */

/**
 * Tells in a sentence or two what one is looking at, and what to do next. No running numbers: it is read aloud.
 *
 * @param {StageClient} stage
 * @param {{ ordinary: Track, reconnecting: Track }} tracks
 */
export function guide(stage, { ordinary, reconnecting }) {
  const left = ordinary.trouble
  const right = reconnecting.trouble
  if (!stage.isReachable) return 'The demo’s server has gone.'
  if (stage.cable !== 'in')
    return left || right ? whileBroken(stage, ordinary, reconnecting) : 'The cable is out. Heal it to begin.'
  if (!stage.serverIsUp) return 'The server is away, and both were told: a server that stops says so.'
  if (left && right) return 'Now it works again. Which one is back first?'
  if (left) return `ReconnectingWebSocket is back. The ordinary one ${ordinaryState(ordinary)}.`
  if (right) return 'The ordinary one is back, and ReconnectingWebSocket is on its way.'
  return whileWell(ordinary, reconnecting)
}

/** @param {StageClient} stage @param {Track} ordinary @param {Track} reconnecting */
function whileBroken(stage, ordinary, reconnecting) {
  const isOneWay = stage.cable === 'oneWay'
  const left = ordinary.trouble
  const right = reconnecting.trouble
  const hasLeftNoticed = left?.noticedAt !== undefined
  const hasRightNoticed = right?.noticedAt !== undefined
  if (!hasLeftNoticed && !hasRightNoticed) {
    return isOneWay
      ? 'The server hears nothing of this page, but its readings still come in: both sockets say OPEN.'
      : 'The cable is out, and nobody was told: both sockets still say OPEN.'
  }
  if (!hasRightNoticed) return `The ordinary one ${ordinaryState(ordinary)}. ReconnectingWebSocket is about to notice.`
  const how = right?.wasTold
    ? isOneWay
      ? 'heartline’s guard() on the server heard nothing more and hung up, so ReconnectingWebSocket was told. It'
      : 'ReconnectingWebSocket was told, and'
    : 'ReconnectingWebSocket has noticed, has let go of the dead connection, and'
  return `${how} tries new ones. The ordinary one ${ordinaryState(ordinary)}. Now heal it.`
}

/** @param {Track} track */
function ordinaryState({ readyState }) {
  if (readyState === 'CLOSING') return `has called close() and waits for its close event: ${CLOSE_HINT}`
  if (readyState === 'CONNECTING')
    return `hangs in an attempt, for which the recipe has no time limit (${ATTEMPT_HINT}; “Cut” frees it)`
  return readyState === 'OPEN' ? 'still says OPEN' : 'is about to try again'
}

/** @param {Track} ordinary @param {Track} reconnecting */
function whileWell(ordinary, reconnecting) {
  const left = ordinary.outage
  const right = reconnecting.outage
  if (ordinary.readyState !== 'OPEN' || reconnecting.readyState !== 'OPEN') return 'Connecting…'
  if (!left || !right) return 'Both connections are alive. Pull the cable and watch.'
  if (left.survivedAt !== undefined && right.survivedAt !== undefined) {
    return 'That was too short to harm either of them. Give it some seconds.'
  }
  if (Math.abs(left.brokenAt - right.brokenAt) > 1_000) return 'Both are back. Try another fault.'
  const leftMs = reopenMs(left)
  const rightMs = reopenMs(right)
  if (leftMs > rightMs + 5_000) {
    return `Both are back: ReconnectingWebSocket ${duration(rightMs)} after it could be, the ordinary one ${duration(leftMs)}. Try another fault.`
  }
  return left.wasTold && right.wasTold
    ? 'Both came back soon, since both were told. The hard case is the one in which nobody is told: pull the cable.'
    : 'Both are back. Try another fault.'
}

/** @param {Outage} outage */
function reopenMs({ reopenedAt = NaN, pathBackAt = NaN }) {
  return reopenedAt - pathBackAt
}
