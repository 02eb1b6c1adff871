import { Buffer } from 'node:buffer'
import { CloseCode } from '../../protocol/close-codes.ts'
import type { Payload } from '../../protocol/frame.ts'
import { clientCase } from './client-scene.ts'
import { expectThat } from './raw-connection.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

/** What no server may send after WELCOME, by the rule that it breaks. */
const violations: readonly [id: string, rule: string, message: Payload][] = [
  ['nothing', 'FRAME-6', ''],
  ['no-bytes', 'FRAME-6', new Uint8Array()],
  ['unknown', 'FRAME-6', 'X1,0 x'],
  ['small-letter', 'FRAME-6', 'd1,0 x'],
  ['json', 'FRAME-6', '{"type":"data"}'],
  ['topic-data', 'TDATA-3', 'T1,1 x'],
  ['topic-bytes', 'TDATA-3', bytes('T1,1 x')],
  ['topic-volatile', 'TDATA-3', 'V1 x'],
  ['topic-skip', 'TDATA-3', 'K1,1,1'],
  ['topic-gap', 'TDATA-3', 'G {"topic":1,"from":1,"to":1,"reason":"overflow"}'],
  ['topic-answer', 'FRAME-5', 'O {"topic":"t"}'],
  ['topic-end', 'FRAME-5', 'U {"reason":"unauthorized"}'],
  ['topic-name', 'TOPIC-2', 'O {"ref":0,"topic":"","id":1,"generation":"x","offset":0,"last":0}'],
  ['topic-position', 'SUBBED-3', 'O {"ref":0,"topic":"t","id":1,"generation":"x","offset":2,"last":1}'],
  ['topic-batch', 'TDATA-1', 'T1,1,1 x'],
  ['sub', 'SUB-8', 'S {"ref":1,"topic":"t","from":"now"}'],
  ['ack-of-topics', 'ACK-5', 'A0,0,0'],
  ['hello', 'FRAME-6', 'H {"window":{"messages":1,"bytes":1}}'],
  ['leading-zero', 'FRAME-4', 'D01,0 x'],
  ['long-number', 'FRAME-4', 'D1000000000000000,0 x'],
  ['no-payload', 'FRAME-6', 'D1,0'],
  ['long-header', 'FRAME-2', `B1,0${',1'.repeat(9_000)} x`],
  ['short-batch', 'BATCH-2', 'B1,0,1,2 ab'],
  ['batch-in-bytes', 'BATCH-2', 'B1,0,4,1 😀x'],
  ['batch-of-one', 'BATCH-1', 'B1,0,1 x'],
  ['binary-ack', 'FRAME-3', bytes('A0')],
  ['binary-ping', 'FRAME-3', bytes('P')],
  ['gap-without-end', 'FRAME-5', 'G {"from":1,"reason":"overflow"}'],
  ['goaway-without-time', 'FRAME-5', 'Y {}'],
]

/** Frames that are none: the connection ends, and nothing of them reaches the application. */
export const clientFrameCases = violations.map(([id, rule, message]) =>
  clientCase(`frames/${id}`, 'ends the connection with 4903', [rule, 'FRAME-6', 'CLOSE-1'], async (scene) => {
    const peer = await scene.attach()
    peer.send(message)
    peer.send('D1,0 too late')
    await peer.closed(CloseCode.protocolError)
    expectThat(!scene.told.length, 'that the application is told nothing')
  }),
)
