import type { CDPSession, Page } from 'puppeteer-core'
import { describe, test as base } from 'vitest'
import { faultProxy } from '../../src/testing/index.ts'
import type * as websocket from '../../src/websocket/index.ts'
import { build } from './build.ts'
import { chromiumPath, startChromium, type Chromium } from './chromium.ts'
import { startSite, type Site } from './site.ts'

/** An event as page.html has noted it. */
export interface NotedEvent {
  readonly type: string
  readonly atMs: number
  readonly code?: number
  readonly reason?: string
  readonly wasClean?: boolean
  readonly persisted?: boolean
  readonly state?: string
  readonly attempts?: number
  readonly retryInMs?: number
  readonly cause?: string
  readonly data?: string
}

// What page.html and its module define.
declare global {
  var heartline: typeof websocket
  var NativeWebSocket: typeof WebSocket
  var nativeSockets: { atMs: number; events: NotedEvent[] }[]
  var watched: Record<string, { socket: any; events: NotedEvent[] }>
  var errors: string[]
  var signals: NotedEvent[]
  function watch(name: string, socket: EventTarget): void
  function failing(what: string): () => never
}

const isSkipped = !chromiumPath && process.env['HEARTLINE_NO_SKIP'] !== '1'

/**
 * A group of tests in Chromium: skipped where there is none, unless `HEARTLINE_NO_SKIP=1`, which makes them fail.
 * They run at the same time, since most of the time they wait and each has a window of its own.
 */
export function describeInChromium(name: string, define: () => void): void {
  const group = isSkipped ? describe.skip : describe.concurrent
  group(isSkipped ? `${name} (no Chromium found: set HEARTLINE_CHROMIUM to its path)` : name, define)
}

/** A tab, alone in a window of its own, so that it is visible until another one opens in that window. */
export interface Tab {
  readonly page: Page
  readonly cdp: CDPSession
  /** Puts another tab in front of this one. */
  hide(): Promise<void>
  /** Puts this tab in front. */
  show(): Promise<void>
  /** What page.html has noted of the socket that it watches under that name. */
  events(name: string): Promise<NotedEvent[]>
}

// Vitest wants a pattern to see which fixtures a fixture needs.
/* oxlint-disable no-empty-pattern */
export const test = base
  .extend('dist', { scope: 'file' }, async ({}, { onCleanup }) => {
    const { folder, remove } = await build()
    onCleanup(remove)
    return folder
  })
  .extend('chromium', { scope: 'file' }, async ({}, { onCleanup }) => {
    const chromium = await startChromium()
    onCleanup(() => chromium.stop())
    return chromium
  })
  .extend('site', async ({ dist }, { onCleanup }) => {
    const site = await startSite(dist)
    onCleanup(() => site.close())
    return site
  })
  .extend('proxy', async ({ site }, { onCleanup }) => {
    const proxy = await faultProxy({ target: site.port })
    onCleanup(() => proxy.close())
    return proxy
  })
  .extend('tab', async ({ chromium, site }, { onCleanup }) => {
    const { tab, close } = await openTab(chromium, site)
    onCleanup(close)
    return tab
  })
/* oxlint-enable no-empty-pattern */

/** Opens page.html in a window of its own. */
export async function openTab({ browser }: Chromium, site: Site): Promise<{ tab: Tab; close: () => Promise<void> }> {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  await page.goto(`${site.origin}/page.html`)
  await page.waitForFunction(() => 'heartline' in globalThis)
  let other: Page | undefined
  const tab: Tab = {
    page,
    cdp: await page.createCDPSession(),
    async hide() {
      other ??= await context.newPage()
      await other.bringToFront()
      await until('the page to be hidden', () => page.evaluate(() => document.hidden))
    },
    async show() {
      await page.bringToFront()
      await until('the page to be visible', () => page.evaluate(() => !document.hidden))
    },
    events: (name) => page.evaluate((name) => watched[name]!.events, name),
  }
  return { tab, close: () => context.close() }
}

/** Waits until the probe returns something truthy, and returns that; if it never does, the error says what it returned. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 5_000,
): Promise<Exclude<Awaited<T>, undefined | null | false | 0 | ''>> {
  const endsAtMs = performance.now() + timeoutMs
  for (;;) {
    const seen = await probe()
    if (seen) return seen as Exclude<Awaited<T>, undefined | null | false | 0 | ''>
    if (performance.now() > endsAtMs)
      throw new Error(`Waited ${timeoutMs} ms for ${what}, saw ${JSON.stringify(seen)}.`)
    await sleep(20)
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
