// @ts-check

/**
 * What a fault is called in the chart, in the list of outages, and in "after the …".
 * @type {Record<string, { mark?: string, name: string, after: string }>}
 */
export const FAULTS = {
  pull: { mark: 'pulled', name: 'Cable pulled', after: 'fault' },
  oneWay: { mark: 'one way', name: 'One way only', after: 'fault' },
  cut: { mark: 'cut', name: 'Cut', after: 'cut' },
  away: { mark: 'away', name: 'Server away', after: 'server’s return' },
  serverBack: { name: 'Server back', after: 'server’s return' },
  heal: { mark: 'healed', name: 'Healed', after: 'heal' },
}

/**
 * What became of a message; `#` is how often it arrived.
 * @type {Record<import('./notes.js').Fate, { words: string, tone: 'good' | 'warn' | 'bad' | 'calm', explanation: string }>}
 */
export const FATES = {
  underWay: { words: 'on its way', tone: 'calm', explanation: '' },
  noTrace: { words: 'sent, no trace', tone: 'warn', explanation: 'It went into the connection and did not come out.' },
  kept: { words: 'kept', tone: 'calm', explanation: 'Its sender keeps it until there is a connection.' },
  arrived: { words: 'arrived once', tone: 'good', explanation: 'Seen once at the other end.' },
  repeated: { words: 'arrived # times', tone: 'bad', explanation: 'Seen more than once at the other end.' },
  notSent: { words: 'not sent', tone: 'bad', explanation: 'There was no connection, so it was dropped.' },
  lost: { words: 'lost', tone: 'bad', explanation: 'The connection that it went into is over. Nobody was told.' },
  handedBack: {
    words: 'handed back',
    tone: 'bad',
    explanation: 'It did not arrive. The sender was told that it may not have.',
  },
}

/** What browsers do with a `close()` that cannot be answered, as measured; only for the text that guides. */
const { userAgent } = navigator
const isFirefox = /firefox/i.test(userAgent)
const isChromium = /chrom/i.test(userAgent)
export const CLOSE_HINT = isFirefox
  ? 'Firefox takes 21 s for that'
  : isChromium
    ? 'Chromium takes 60 s for that'
    : 'browsers take their time for that'
/** And with an attempt to connect that nobody answers. */
export const ATTEMPT_HINT = isFirefox
  ? 'Firefox’s own is 21 s'
  : isChromium
    ? 'Chromium’s own is 4 min'
    : 'your browser has one'
/** `0.41 s`, `12.3 s`, `1 min 04 s`; below a tenth of a second in milliseconds. @param {number} ms */
export function duration(ms) {
  if (ms < 99.5) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 9_995) return `${(ms / 1_000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** `1 reading`, `12 readings`. @param {number} number @param {string} word */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

/** A duration that runs: no digits that flicker. @param {number} ms */
export function running(ms) {
  return ms < 59_950 ? `${(Math.max(0, ms) / 1_000).toFixed(1)} s` : duration(ms)
}
