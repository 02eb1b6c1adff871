import type { ConformanceCase } from './conformance-case.ts'
import { serverDataCases } from './server-data-cases.ts'
import { serverFrameCases } from './server-frame-cases.ts'
import { serverHandshakeCases } from './server-handshake-cases.ts'
import { serverLifeCases } from './server-life-cases.ts'
import { serverResumeCases } from './server-resume-cases.ts'
import { serverTopicCases } from './server-topic-cases.ts'
import { serverTopicFlowCases } from './server-topic-flow-cases.ts'
import type { ServerSubject } from './server-subject.ts'

/** What PROTOCOL.md asks of a server, as far as a client can find out. */
export const serverCases: readonly ConformanceCase<ServerSubject>[] = [
  ...serverHandshakeCases,
  ...serverDataCases,
  ...serverFrameCases,
  ...serverResumeCases,
  ...serverLifeCases,
  ...serverTopicCases,
  ...serverTopicFlowCases,
]
