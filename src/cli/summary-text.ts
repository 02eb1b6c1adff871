import { endingText } from './ending-text.ts'
import { countText, dateText, durationText, latencyText } from './figures-text.ts'
import type { History } from './history.ts'
import { printable } from './printable.ts'
import type { ProbePlan } from './probe-options.ts'

const SHOWN_OUTAGES = 20

/** What a probe has seen, for people. */
export function summaryText(url: string, target: ProbePlan['target'], history: History, nowMs: number): string {
  const rows = [
    ['open', openText(history, nowMs)],
    ['outages', outagesText(history)],
    ...outageRows(history, nowMs),
    ['heartbeats', heartbeatsText(target, history)],
    ['latency', latenciesText(target, history)],
  ]
  return `\n${url}\n${rows.map(([name = '', text]) => `  ${name.padEnd(10)}  ${text}\n`).join('')}`
}

function openText(history: History, nowMs: number): string {
  const { opens, outageCount, start } = history
  const openMs = history.openMs(nowMs)
  if (!opens) return 'never'
  if (!outageCount) return `${durationText(openMs)}, all the time`
  const watchedMs = nowMs - start.ms
  return `${durationText(openMs)} of ${durationText(watchedMs)} (${((100 * openMs) / watchedMs).toFixed(1)} %)`
}

function outagesText({ outageCount, outages }: History): string {
  const shown = Math.min(outages.length, SHOWN_OUTAGES)
  return outageCount ? `${outageCount}${outageCount > shown ? `, the last ${shown} of them:` : ''}` : 'none'
}

function outageRows({ outages }: History, nowMs: number): string[][] {
  return outages.slice(-SHOWN_OUTAGES).map(({ start, noticedMs, endMs, ending }) => {
    const length = `${endMs === undefined ? 'to the end, ' : ''}${durationText((endMs ?? nowMs) - start.ms)}`
    return ['', `${dateText(start.date)}, ${length}: ${endingText(ending, noticedMs - start.ms)}`]
  })
}

function heartbeatsText(target: ProbePlan['target'], history: History): string {
  const { heartbeatsSent, heartbeatsAnswered, messages } = history
  if (target.kind === 'session') return `${heartbeatsAnswered} answered`
  if ('silenceMs' in target.heartbeat) return `none sent, ${countText(messages, 'message')} heard`
  return target.heartbeat.reply === undefined
    ? `${heartbeatsSent} sent, ${countText(messages, 'message')} heard`
    : `${heartbeatsSent} sent, ${heartbeatsAnswered} answered`
}

function latenciesText(target: ProbePlan['target'], { latency, messages, lastMessage }: History): string {
  if (latency.count) {
    const [min, median, p99] = [latency.minMs, latency.quantile(0.5), latency.quantile(0.99)].map(latencyText)
    return `min ${min}, median ${median}, p99 ${p99}${target.kind === 'session' ? ', smoothed' : ''}`
  }
  if (target.kind === 'session') return 'not measured'
  if ('silenceMs' in target.heartbeat) return 'not measured, since no heartbeat is sent'
  const { reply } = target.heartbeat
  if (reply === undefined) return 'not measured: --reply tells what the answers are'
  if (!messages) return 'not measured'
  const last = typeof lastMessage === 'string' ? JSON.stringify(printable(lastMessage, 40)) : 'binary'
  return `not measured: no message was ${JSON.stringify(printable(reply, 40))}, the last one was ${last}`
}
