import type { Command } from './command.ts'
import { JsonDisplay } from './json-display.ts'
import { printableUrl } from './printable.ts'
import { probe } from './probe.ts'
import { probeOptions, probePlan, type ProbePlan } from './probe-options.ts'
import { endSignal } from './end-signal.ts'
import { durationText } from './figures-text.ts'
import type { Display } from './display.ts'
import type { Subject, SubjectListener } from './subject.ts'
import { watchSession } from './session-subject.ts'
import { summaryText } from './summary-text.ts'
import { Terminal } from './terminal.ts'
import { TextDisplay } from './text-display.ts'
import { watchWebSocket } from './web-socket-subject.ts'

export const probeCommand: Command<typeof probeOptions> = {
  manual: {
    synopsis: 'heartline probe <url> [options]',
    about: `Connects to a WebSocket server and shows whether it is there: state, latency, outages.
Ctrl-C ends it with a summary. Without --message or --silence-ms it opens a heartline session.`,
    options: probeOptions,
    end: `Exit code: 0 alive at the end and no outage seen, 1 an outage was seen, 2 never open, 64 usage.
Environment: HEARTLINE_AUTH as --auth, NO_COLOR for no colours.`,
  },
  run(parsed) {
    const plan = probePlan(parsed, process.env)
    return probe((listener) => subjectOf(plan, listener), displayOf(plan), { ...plan, signal: endSignal() })
  },
}

function subjectOf({ url, headers, target }: ProbePlan, listener: SubjectListener): Subject {
  return target.kind === 'plain'
    ? watchWebSocket(url, headers, target.heartbeat, listener)
    : watchSession(url, headers, target, listener)
}

function displayOf({ url, target, isJson, endsWhenOpen }: ProbePlan): Display {
  const shownUrl = printableUrl(url)
  const { stdout } = process
  if (isJson) return new JsonDisplay(shownUrl, (text) => stdout.write(text))
  return new TextDisplay(shownUrl, new Terminal(stdout, process.env), (history, nowMs) => {
    if (!endsWhenOpen) return summaryText(shownUrl, target, history, nowMs)
    return history.opens ? '' : `never open in ${durationText(nowMs - history.start.ms)}\n`
  })
}
