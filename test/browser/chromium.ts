import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import puppeteer, { type Browser } from 'puppeteer-core'

const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 5_000

const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** The Chromium to test with: `HEARTLINE_CHROMIUM` if that is set, or else the first one at a usual place. */
export const chromiumPath = (process.env['HEARTLINE_CHROMIUM'] ? [process.env['HEARTLINE_CHROMIUM']] : candidates).find(
  (path) => existsSync(path),
)

const flags = [
  '--headless=new',
  '--remote-debugging-port=0',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Chromium {
  readonly browser: Browser
  /** Ends the process, waits until it is gone and removes its profile. */
  stop(): Promise<void>
}

/**
 * Starts a Chromium of its own and connects to it.
 *
 * It is started by hand, since what drives a browser for tests as a rule (Playwright, `puppeteer.launch`) sets flags
 * that switch off the very things under test: throttled timers, hidden tabs, freezing and the back/forward cache.
 */
export async function startChromium(moreFlags: readonly string[] = []): Promise<Chromium> {
  if (!chromiumPath) throw new Error('No Chromium found: set HEARTLINE_CHROMIUM to its path.')
  const profile = await mkdtemp(join(tmpdir(), 'heartline-chromium-'))
  const child = spawn(chromiumPath, [...flags, `--user-data-dir=${profile}`, ...moreFlags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise<void>(
    (resolve) => void child.once('close', () => resolve()).once('error', () => resolve()),
  )
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)

  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(kill, STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
    process.off('exit', kill)
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  try {
    const browserWSEndpoint = await devToolsEndpoint(child.stderr)
    const browser = await puppeteer.connect({ browserWSEndpoint, defaultViewport: null })
    return {
      browser,
      async stop() {
        await browser.disconnect()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Chromium says on its standard error where DevTools can connect to. */
async function devToolsEndpoint(stderr: NodeJS.ReadableStream): Promise<string> {
  const seen: string[] = []
  try {
    for await (const line of createInterface({ input: stderr, signal: AbortSignal.timeout(START_TIMEOUT_MS) })) {
      const [, endpoint] = /^DevTools listening on (ws:\S+)/.exec(line) ?? []
      if (endpoint) return endpoint
      seen.push(line)
    }
  } finally {
    // A full pipe would make the browser stop.
    stderr.resume()
  }
  throw new Error(`Chromium ended, or said nothing for ${START_TIMEOUT_MS} ms:\n${seen.join('\n')}`)
}
