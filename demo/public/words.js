// @ts-check

/**
 * What a fault is called in the chart, in the list of outages, and in "after the …".
 * @type {Record<string, { mark?: string, name: string, after: string }>}
 */
export const FAULTS = {
  pull: { mark: 'pulled', name: 'Cable pulled', after: 'fault' },
  oneWay: { mark: 'one way', name: 'One way only', after: 'fault' },
  cut: { mark: 'cut', name: 'Cut', after: 'cut' },
  restart: { mark: 'restart', name: 'Server restarted', after: 'restart' },
  serverBack: { name: 'Server back', after: 'restart' },
  heal: { mark: 'healed', name: 'Healed', after: 'heal' },
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

/** The same for a counter that runs: no digits that flicker. @param {number} ms */
export function running(ms) {
  return ms < 59_950 ? `${(Math.max(0, ms) / 1_000).toFixed(1)} s` : duration(ms)
}
