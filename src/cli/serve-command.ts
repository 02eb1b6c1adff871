import type { Command } from './command.ts'
import { endSignal } from './end-signal.ts'
import { serve } from './serve.ts'
import { serveOptions, servePlan } from './serve-options.ts'
import { Terminal } from './terminal.ts'

export const serveCommand: Command<typeof serveOptions> = {
  manual: {
    synopsis: 'heartline serve [options]',
    about: `A heartline server to try things with. It sends each message back to its session,
and each line that is typed here to all sessions. It keeps them in memory.`,
    options: serveOptions,
    end: `Ctrl-C ends it. Exit code: 0 ended, 1 could not listen, 64 usage.
Environment: NO_COLOR for no colours.`,
  },
  async run(parsed) {
    await serve(servePlan(parsed), process.stdin, new Terminal(process.stdout, process.env), endSignal())
    return 0
  },
}
