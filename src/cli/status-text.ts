import { durationText, latencyText } from './figures-text.ts'
import type { History } from './history.ts'

/** What stands behind the state in the status line. */
export function statusText(history: History, nowMs: number): string {
  const { state, attempts, sinceMs, outage, outageCount, latency, heartbeatsSent, heartbeatsAnswered } = history
  const parts: string[] = []
  if (state === 'open') parts.push(`for ${durationText(nowMs - sinceMs)}`)
  if (state === 'waiting')
    parts.push(`for attempt ${attempts} in ${durationText(Math.max(0, history.retryAtMs - nowMs))}`)
  if (outage) parts.push(`outage for ${durationText(nowMs - outage.start.ms)}`)
  if (state === 'open' && latency.count) parts.push(`latency ${latencyText(latency.lastMs)}`)
  if (heartbeatsSent || heartbeatsAnswered) parts.push(heartbeatsText(heartbeatsSent, heartbeatsAnswered))
  parts.push(`outages ${outageCount}`)
  return parts.join(', ')
}

/** A session does not tell how many it sends, and answers to a plain heartbeat may not be known. */
function heartbeatsText(sent: number, answered: number): string {
  return `heartbeats ${sent && answered ? `${answered} of ${sent}` : sent || answered}`
}
