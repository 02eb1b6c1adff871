import type { Window } from '../protocol/frame.ts'

/** Most that a client may have on its way. */
const MAX_WINDOW: Window = { messages: 65_536, bytes: 67_108_864 }
/** What heartline's own client asks for. */
const USUAL_WINDOW: Window = { messages: 4_096, bytes: 262_144 }

/** What a client may have on its way, however much it asks for: what is in flight has to be counted here. */
export function clientWindow({ messages, bytes }: Window): Window {
  // One object for the many that ask for the same.
  if (messages === USUAL_WINDOW.messages && bytes === USUAL_WINDOW.bytes) return USUAL_WINDOW
  return { messages: Math.min(messages, MAX_WINDOW.messages), bytes: Math.min(bytes, MAX_WINDOW.bytes) }
}
