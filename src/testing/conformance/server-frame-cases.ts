import { Buffer } from 'node:buffer'
import { CloseCode } from '../../protocol/close-codes.ts'
import type { Payload } from '../../protocol/frame.ts'
import { expectThat } from './raw-connection.ts'
import { serverCase } from './server-scene.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

/** What no client may send, once it has a session, by the rule that it breaks. */
const violations: readonly [id: string, rule: string, ...messages: Payload[]][] = [
  ['nothing', 'FRAME-6', '', new Uint8Array()],
  ['unknown', 'FRAME-6', 'X', 'x1,0 ', 'Z {"a":1}', '1', ' ', '😀', '{}', 'd1,0 x'],
  ['topics', 'TDATA-6', 'T1,1 x', 'T1,1,1,1 xy', 'V1 x', 'K1,1,1', 'T', bytes('T1,1 x'), bytes('V1 x')],
  ['subbed', 'SUBBED-8', 'O {"ref":1,"topic":"t","id":1,"generation":"x","offset":0,"last":0}', 'O {}'],
  [
    'topic-name',
    'TOPIC-2',
    ...['', 'x'.repeat(257)].map((topic) => `S ${JSON.stringify({ ref: 1, topic, from: 'now' })}`),
  ],
  ['sub', 'FRAME-5', 'S {}', 'S1', 'S {"ref":1,"topic":"t"}', 'S {"ref":1,"topic":"t","from":"later"}', 'U {}', 'U1'],
  ['reject', 'FRAME-6', 'R {"code":4903,"reason":""}'],
  ['goaway', 'GOAWAY-3', 'Y {"withinMs":1}'],
  ['nack', 'NACK-3', 'N1'],
  ['gap', 'GAP-5', 'G {"from":1,"to":1,"reason":"overflow"}'],
  ['numbers', 'FRAME-4', 'D01,0 x', 'D1,00 x', 'D+1,0 x', 'D1.0,0 x', 'D1e0,0 x', 'D1000000000000000,0 x', 'A-0'],
  [
    'headers',
    'FRAME-6',
    'D1,0',
    'D1 x',
    'D,0 x',
    'D1,0,1 x',
    'A',
    'A1,2',
    'A0 ',
    'A0,0,0,0',
    'E0',
    'P1,2',
    'P ',
    'Q1',
    'E0,0 ',
  ],
  ['long-header', 'FRAME-2', `B1,0${',1'.repeat(9_000)} x`],
  ['batches', 'BATCH-2', 'B1,0,1,1 x', 'B1,0,1,1 xyz', 'B1,0,4,1 😀', bytes('B1,0,1,9 xy')],
  ['batch-of-one', 'BATCH-1', 'B1,0 x', 'B1,0,1 x', `B1,0${',0'.repeat(1_025)} `],
  ['binary', 'FRAME-3', bytes('A0'), bytes('P'), bytes('Q'), bytes('E0,0'), bytes('D1,0')],
]

/** Frames that are none: each ends its connection, and nothing else. */
export const serverFrameCases = violations.map(([id, rule, ...messages]) =>
  serverCase(
    `frames/${id}`,
    'ends the connection with 4903, and keeps the session',
    [rule, 'FRAME-6', 'CLOSE-1', 'CLOSE-2'],
    async (scene) => {
      let client = await scene.attach()
      for (const message of messages) {
        client.send(message)
        await client.closed(CloseCode.protocolError)
        client = await scene.resume(client)
        expectThat(client.welcome.resumed, 'the same session')
      }
      client.say('a')
      await client.hear(1)
    },
    { timeoutMs: 30_000 },
  ),
)
