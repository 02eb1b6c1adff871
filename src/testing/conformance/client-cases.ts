import { clientDataCases } from './client-data-cases.ts'
import { clientFrameCases } from './client-frame-cases.ts'
import { clientHandshakeCases } from './client-handshake-cases.ts'
import { clientLifeCases } from './client-life-cases.ts'
import { clientResumeCases } from './client-resume-cases.ts'
import { clientTopicCases } from './client-topic-cases.ts'
import type { ClientSubject } from './client-subject.ts'
import type { ConformanceCase } from './conformance-case.ts'

/** What PROTOCOL.md asks of a client, as far as a server can find out. */
export const clientCases: readonly ConformanceCase<ClientSubject>[] = [
  ...clientHandshakeCases,
  ...clientDataCases,
  ...clientFrameCases,
  ...clientResumeCases,
  ...clientLifeCases,
  ...clientTopicCases,
]
