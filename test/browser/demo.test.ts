import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'puppeteer-core'
import { test as base, describeInChromium, until } from './browser-test.ts'
import { startChromium } from './chromium.ts'
import { startDemo, type Demo } from './demo-process.ts'

const COLUMNS = ['ordinary', 'reconnecting', 'session'] as const
type Column = (typeof COLUMNS)[number]

/** The two of heartline; the third one may hang for a minute. */
const OURS = ['reconnecting', 'session'] as const
/** Longest time for anything in sight, on a machine that is busy. */
const PATIENCE_MS = 20_000

/** A browser says so of every attempt that does not get through, whoever made it. */
const FAILED_ATTEMPT = /^WebSocket connection to 'ws:/

const test = base
  // A page of each test is a visitor of its own, to the same process.
  .extend('demo', { scope: 'file' }, async ({ dist }, { onCleanup }) => {
    const demo = await startDemo(dist)
    onCleanup(async () => {
      await demo.stop()
    })
    return demo
  })
  .extend('visit', async ({ chromium, demo }, { onCleanup }) => {
    const context = await chromium.browser.createBrowserContext()
    onCleanup(() => context.close())
    return await visit(context, demo)
  })
  // All visitors of a process meet in its room.
  .extend('ownDemo', async ({ dist }, { onCleanup }) => {
    const demo = await startDemo(dist)
    onCleanup(async () => {
      await demo.stop()
    })
    return demo
  })
  .extend('browsers', async ({ chromium }, { onCleanup }) => {
    const browsers = [await chromium.browser.createBrowserContext(), await chromium.browser.createBrowserContext()]
    onCleanup(async () => {
      for (const browser of browsers) await browser.close()
    })
    return browsers as [BrowserContext, BrowserContext]
  })

interface Visit {
  readonly page: Page
  /** Name of the visitor on the server. */
  readonly visitor: string
  /** Console errors, exceptions and failed requests. */
  readonly problems: string[]
  readonly requested: string[]
}

async function visit(context: BrowserContext, demo: Demo): Promise<Visit> {
  const page = await context.newPage()
  await page.setViewport({ width: 1280, height: 800 })
  const [noted] = await Promise.all([watch(page), page.goto(demo.url)])
  return { page, ...noted }
}

/** Notes what happens on a page. Resolves when it has become a visitor. */
async function watch(page: Page): Promise<Omit<Visit, 'page'>> {
  const problems: string[] = []
  const requested: string[] = []
  let visitor: string | undefined
  page.on('console', (message) => {
    if (message.type() === 'error' && !FAILED_ATTEMPT.test(message.text())) problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('request', (request) => requested.push(request.url()))
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`)
    else if (response.url().endsWith('/api/visit')) void response.json().then((state) => ({ visitor } = state))
  })
  const id = await until('the page to become a visitor', () => visitor, PATIENCE_MS).catch((error: Error) => {
    throw new Error([error.message, ...problems].join('\n'))
  })
  return { visitor: id, problems, requested }
}

const press = (page: Page, name: string): Promise<void> => page.locator(`[data-testid="${name}"]`).click()

const read = (page: Page, name: string): Promise<string> =>
  page.$eval(`[data-testid="${name}"]`, (element) => element.textContent ?? '')

/** Waits until a part of the page says something. */
function says(page: Page, name: string, text: string | RegExp): Promise<unknown> {
  return until(
    `${name} to say ${text}`,
    async () => {
      const seen = await read(page, name)
      return typeof text === 'string' ? seen === text : text.test(seen)
    },
    PATIENCE_MS,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message} It says ${JSON.stringify(await read(page, name))}.`)
  })
}

/** All connections are there, and readings come in. */
async function untilAlive(page: Page, columns: readonly Column[] = COLUMNS): Promise<void> {
  for (const column of columns) {
    await says(page, `${column}-says`, 'OPEN')
    await says(page, `${column}-truth`, 'ALIVE')
    await says(page, `${column}-reading`, /%/)
  }
}

/** Types a message, as a visitor does, and sends it. */
async function type(page: Page, text: string, button: 'send-to-server' | 'send-to-page'): Promise<void> {
  await page.click('[data-testid="message"]', { count: 3 })
  await page.keyboard.type(text)
  await press(page, button)
}

/** What the page says of each message in a column, newest first. */
const messages = (page: Page, column: Column): Promise<string[]> =>
  page.$$eval(`[data-testid="${column}-notes"] li`, (items) =>
    items.map((item) => [...item.children].map(({ textContent }) => textContent).join(' | ')),
  )

/** Says something in the room. */
async function say(page: Page, ...texts: string[]): Promise<void> {
  await page.bringToFront()
  for (const text of texts) {
    await page.type('[data-testid="room-text"]', text)
    await press(page, 'room-say')
  }
}

/** What a page shows of the room: number, name, text and mark of each message. */
const room = (page: Page, list: 'lines' | 'waiting' = 'lines'): Promise<string[]> =>
  page.$$eval(`[data-testid="room-${list}"] > li`, (items) =>
    items.map((item) =>
      [...item.querySelectorAll('small, b, bdi, em')].map(({ textContent }) => textContent).join(' | '),
    ),
  )

/** Who is in the room, says a page. */
const people = (page: Page): Promise<string[]> =>
  page.$$eval('[data-testid="room-people"] > li', (items) =>
    items.map((item) => `${item.querySelector('b')!.textContent} is ${item.querySelector('small')!.textContent}`),
  )

/** Waits until a list of the page is this one. */
async function shows(what: string, seen: () => Promise<string[]>, expected: readonly string[]): Promise<void> {
  const wanted = JSON.stringify(expected)
  await until(what, async () => JSON.stringify(await seen()) === wanted, PATIENCE_MS).catch(async (error: Error) => {
    throw new Error(`${error.message} It shows ${JSON.stringify(await seen())}, not ${wanted}.`)
  })
}

/** Presses the link that opens a second tab. */
async function openSecondTab(browser: BrowserContext, { page }: Visit): Promise<Visit> {
  const opened = new Promise<Page>((resolve) => {
    browser.once('targetcreated', (target) => void target.page().then((page) => resolve(page!)))
  })
  await press(page, 'room-open')
  const second = await opened
  return { page: second, ...(await watch(second)) }
}

/** From now on, everything that a part of the page ever says. */
async function recordAll(page: Page, name: string): Promise<() => Promise<string[]>> {
  await page.$eval(`[data-testid="${name}"]`, (element) => {
    const seen = [element.textContent ?? '']
    new MutationObserver(() => seen.push(element.textContent ?? '')).observe(element, {
      subtree: true,
      childList: true,
      characterData: true,
    })
    Object.assign(element, { seen })
  })
  return () => page.$eval(`[data-testid="${name}"]`, (element) => (element as any).seen)
}

describeInChromium('the demo', () => {
  test('misses no reading in the session, whatever is pressed', async ({ visit, expect }) => {
    const { page, problems } = visit
    await untilAlive(page)
    const missed = await recordAll(page, 'session-missed')

    await press(page, 'action-cut')
    await says(page, 'session-remark', /^Resumed 1×/)
    await untilAlive(page)

    await press(page, 'action-go-away')
    await says(page, 'session-truth', 'NO CONNECTION')
    await says(page, 'session-remark', /^Resumed 2×/)
    await untilAlive(page)

    for (const [fault, resumed] of [
      ['action-one-way', /^Resumed 3×, replayed \d+ readings/],
      ['action-pull', /^Resumed 5×, replayed \d+ readings/],
    ] as const) {
      await press(page, fault)
      for (const column of OURS) await says(page, `${column}-truth`, 'NO CONNECTION')
      await says(page, 'session-remark', /wait for it on the server/)
      await press(page, 'action-heal')
      await says(page, 'session-remark', resumed)
      await untilAlive(page, OURS)
      // Frees what the recipe waits for.
      await press(page, 'action-cut')
      await says(page, 'session-truth', 'NO CONNECTION')
      await untilAlive(page)
    }

    expect([...new Set(await missed())]).toEqual(['0'])
    expect(await read(page, 'session-lost')).toBe('0')
    expect(await read(page, 'session-remark')).not.toMatch(/twice/)
    expect(Number(await read(page, 'ordinary-missed'))).toBeGreaterThan(5)
    expect(Number(await read(page, 'reconnecting-missed'))).toBeGreaterThan(5)
    expect(problems).toEqual([])
  })

  test('brings what was typed while the cable was out, once, in both directions', async ({ visit, demo, expect }) => {
    const { page, visitor, problems } = visit
    await untilAlive(page)
    await type(page, 'before', 'send-to-server')
    for (const column of COLUMNS)
      await until('its arrival', async () => (await messages(page, column))[0] === 'to server | before | arrived once')

    await press(page, 'action-pull')
    await says(page, 'guide', /still say OPEN/)
    await type(page, 'to you', 'send-to-server')
    await type(page, 'to me', 'send-to-page')
    for (const column of OURS) await says(page, `${column}-truth`, 'NO CONNECTION')
    await says(page, 'ordinary-says', 'CLOSING')
    await type(page, 'late', 'send-to-server')
    const kept = ['to server | late | kept', 'to page | to me | kept', 'to server | to you | kept']
    await until(
      'the session to keep all',
      async () => JSON.stringify((await messages(page, 'session')).slice(0, 3)) === JSON.stringify(kept),
      PATIENCE_MS,
    )
    await says(page, 'ordinary-lost', '3')

    await press(page, 'action-heal')
    const arrived = [
      'to server | late | arrived once',
      'to page | to me | arrived once',
      'to server | to you | arrived once',
      'to server | before | arrived once',
    ]
    await until(
      'all to arrive',
      async () => JSON.stringify(await messages(page, 'session')) === JSON.stringify(arrived),
      PATIENCE_MS,
    )
    // Nothing comes twice when the connection is another one once more.
    await press(page, 'action-cut')
    await says(page, 'session-remark', /^Resumed 2×/)
    await untilAlive(page)
    expect(await messages(page, 'session')).toEqual(arrived)
    expect(await messages(page, 'ordinary')).toEqual([
      'to server | late | not sent',
      expect.stringMatching(/^to page \| to me \| (lost|not sent)$/),
      expect.stringMatching(/^to server \| to you \| (lost|not sent)$/),
      'to server | before | arrived once',
    ])
    expect(await messages(page, 'reconnecting')).toEqual([
      'to server | late | arrived once',
      expect.stringMatching(/^to page \| to me \| (lost|not sent)$/),
      // Held, if it had noticed by then.
      expect.stringMatching(/^to server \| to you \| (handed back|arrived once)$/),
      'to server | before | arrived once',
    ])
    expect(await read(page, 'session-lost')).toBe('0')
    // The server's own count, by the numbers of the messages.
    const { arrivals } = await demo.post(`/api/${visitor}/heal`)
    expect(arrivals.session).toEqual({ 1: 1, 2: 1, 4: 1 })
    expect(problems).toEqual([])
  })

  test('treats a tab that the browser has duplicated as another visitor', async ({ demo, expect, skip }) => {
    const extension = await duplicator()
    const { browser, stop } = await startChromium([
      `--load-extension=${extension}`,
      `--disable-extensions-except=${extension}`,
    ])
    try {
      const worker = await browser
        .waitForTarget((target) => target.url().endsWith('/worker.js'), { timeout: 5_000 })
        .catch(() => skip('this browser takes no extensions'))
      const first = await visit(browser.defaultBrowserContext(), demo)
      await untilAlive(first.page)
      await type(first.page, 'from the first', 'send-to-server')
      await says(first.page, 'session-notes', /arrived once/)

      const opened = new Promise<Page>((resolve) => {
        browser.once('targetcreated', (target) => void target.page().then((page) => resolve(page!)))
      })
      await (await worker.worker())!.evaluate(() =>
        (globalThis as any).chrome.tabs
          .query({ active: true })
          .then(([tab]: any[]) => (globalThis as any).chrome.tabs.duplicate(tab.id)),
      )
      const page = await opened
      const second = { page, ...(await watch(page)) }
      await untilAlive(second.page)
      expect(await first.page.evaluate(() => document.hidden)).toBe(true)
      expect(second.visitor).not.toBe(first.visitor)
      expect(await messages(second.page, 'session')).toEqual([])

      // The cable of the second one is not the first one's.
      await press(second.page, 'action-pull')
      for (const column of OURS) await says(second.page, `${column}-truth`, 'NO CONNECTION')
      await type(second.page, 'from the second', 'send-to-server')
      await first.page.bringToFront()
      await untilAlive(first.page)
      for (const column of COLUMNS) expect(await read(first.page, `${column}-missed`)).toBe('0')
      expect(await read(first.page, 'session-remark')).toBe('')
      expect(await demo.post(`/api/${first.visitor}/heal`)).toMatchObject({ cable: 'in', connections: 3 })

      // And back: each goes on with its own.
      await second.page.bringToFront()
      await press(second.page, 'action-heal')
      await untilAlive(second.page, OURS)
      await until('its arrival', async () =>
        (await messages(second.page, 'session')).includes('to server | from the second | arrived once'),
      )
      expect(await read(second.page, 'session-missed')).toBe('0')
      expect((await demo.post(`/api/${first.visitor}/heal`)).arrivals.session).toEqual({ 1: 1 })
      expect([...first.problems, ...second.problems]).toEqual([])
    } finally {
      await stop()
      await rm(extension, { recursive: true })
    }
  })

  test('brings what is said in the room to every tab, once and in order', async ({ ownDemo, browsers, expect }) => {
    const [browser, other] = browsers
    const a = await visit(browser, ownDemo)
    await untilAlive(a.page)
    const b = await openSecondTab(browser, a)
    await untilAlive(b.page)
    const c = await visit(other, ownDemo)
    await untilAlive(c.page)
    const all = [a, b, c]
    const [A, B, C] = (await Promise.all(all.map(({ page }) => read(page, 'room-me')))) as [string, string, string]
    expect(new Set([A, B, C, '']).size).toBe(4)
    for (const { page } of all)
      await shows(
        'all in the room',
        () => people(page),
        [A, B, C].map((name) => `${name} is here`),
      )
    const missed = await recordAll(b.page, 'session-missed')

    await say(a.page, 'one')
    await say(b.page, '<img src=x onerror=alert(1)>')
    for (const { page } of all) await until('the first two', async () => (await room(page)).length === 2, PATIENCE_MS)

    await press(b.page, 'room-pull')
    await a.page.bringToFront()
    for (const { page } of [a, c])
      await shows('one away', () => people(page), [`${A} is here`, `${B} is away`, `${C} is here`])
    await say(b.page, 'five', 'six')
    await shows('what is kept', () => room(b.page, 'waiting'), [
      ` | ${B} | five | kept until it arrives`,
      ` | ${B} | six | kept until it arrives`,
    ])
    await says(b.page, 'room-state', /^No connection/)
    await say(a.page, 'three')
    await until('it there', async () => (await room(c.page)).length === 3)
    await say(c.page, 'four')
    await shows('four', () => room(a.page), [
      `1 | ${A} | one`,
      `2 | ${B} | <img src=x onerror=alert(1)>`,
      `3 | ${A} | three`,
      `4 | ${C} | four`,
    ])
    expect(await room(b.page)).toHaveLength(2)

    await b.page.bringToFront()
    await press(b.page, 'room-heal')
    const lines = (late = '') => [
      `1 | ${A} | one`,
      `2 | ${B} | <img src=x onerror=alert(1)>`,
      `3 | ${A} | three${late}`,
      `4 | ${C} | four${late}`,
      `5 | ${B} | five`,
      `6 | ${B} | six`,
    ]
    for (const { page } of all) await shows('all', () => room(page), lines(page === b.page ? ' | waited for you' : ''))
    for (const { page } of all)
      await shows(
        'all back',
        () => people(page),
        [A, B, C].map((name) => `${name} is here`),
      )
    await shows('nothing kept', () => room(b.page, 'waiting'), [])
    await says(b.page, 'room-state', '')

    // Nothing comes twice when the connection is another one once more, or the server was away.
    for (const [action, times] of [
      ['action-cut', 2],
      ['action-go-away', 3],
    ] as const) {
      await untilAlive(b.page, OURS)
      await press(b.page, action)
      await says(b.page, 'session-remark', new RegExp(`^Resumed ${times}×`))
    }
    await untilAlive(b.page, OURS)
    expect(await room(b.page)).toEqual(lines(' | waited for you'))
    expect([...new Set(await missed())]).toEqual(['0'])

    // Who comes late sees what was said; who leaves is gone at once.
    const d = await visit(other, ownDemo)
    await shows('what was said before', () => room(d.page), lines())
    await until('four', async () => (await people(a.page)).length === 4)
    await d.page.goto('about:blank')
    await until('three', async () => (await people(a.page)).length === 3)
    for (const { problems } of [...all, d]) expect(problems).toEqual([])
  })

  test('tells who types, and lets who says too much wait', async ({ ownDemo, browsers, expect }) => {
    const a = await visit(browsers[0], ownDemo)
    const b = await visit(browsers[1], ownDemo)
    await untilAlive(a.page)
    await untilAlive(b.page)
    const name = await read(a.page, 'room-me')
    const seen = await recordAll(b.page, 'room-typing')
    await a.page.type('[data-testid="room-text"]', 'unfinished')
    await says(b.page, 'room-typing', `${name} is typing…`)
    await says(b.page, 'room-typing', '')
    expect(await room(b.page)).toEqual([])
    expect(await read(a.page, 'room-typing')).toBe('')

    const texts = Array.from({ length: 16 }, (_, index) => `number ${index + 1}`)
    await a.page.evaluate((texts) => {
      const [input, button] = ['room-text', 'room-say'].map((id) => document.querySelector(`[data-testid="${id}"]`))
      for (const text of texts) {
        ;(input as HTMLInputElement).value = text
        ;(button as HTMLButtonElement).click()
      }
    }, texts)
    await until('the first ones', async () => (await room(b.page)).length >= 10)
    expect((await room(b.page)).length).toBeLessThan(16)
    expect((await room(a.page, 'waiting')).length).toBeGreaterThan(0)
    const lines = texts.map((text, index) => `${index + 1} | ${name} | ${text}`)
    for (const { page } of [a, b]) await shows('all', () => room(page), lines)
    expect(await read(a.page, 'session-remark')).toBe('')
    expect([...new Set(await seen())].sort()).toEqual(['', `${name} is typing…`])
    expect([...a.problems, ...b.problems]).toEqual([])
  })

  test('needs no bundler, no other host, and fits every width', async ({ visit, demo, expect }) => {
    const { page, problems, requested } = visit
    await untilAlive(page)
    const { origin } = new URL(demo.url)
    for (const file of ['client.js', 'websocket.js']) expect(requested).toContain(`${origin}/heartline/${file}`)
    expect(requested.filter((url) => !url.startsWith(origin) && !url.startsWith('ws://127.0.0.1:'))).toEqual([])
    await type(page, 'W'.repeat(200), 'send-to-server')
    await say(page, 'W'.repeat(200))
    await press(page, 'action-pull')
    await says(page, 'session-truth', 'NO CONNECTION')
    for (const width of [1920, 1280, 1024, 939, 600, 390, 320]) {
      await page.setViewport({ width, height: 800 })
      const { scrollWidth, wide } = await page.evaluate(() => ({
        scrollWidth: document.documentElement.scrollWidth,
        wide: [...document.querySelectorAll('.column *, .room *')]
          .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
          .map((element) => element.outerHTML.slice(0, 100)),
      }))
      expect(scrollWidth, `at ${width} px`).toBeLessThanOrEqual(width)
      // Only the text of a message may be cut off.
      expect(
        wide.filter((html) => !html.startsWith('<span class="text"')),
        `at ${width} px`,
      ).toEqual([])
    }
    expect(problems).toEqual([])
  })

  test('lets go of visitors that leave', async ({ visit, demo, expect }) => {
    const { page, visitor } = visit
    await untilAlive(page)
    await page.goto('about:blank')
    await until('the visitor to be gone', async () => {
      const { status } = await fetch(new URL(`/api/${visitor}/heal`, demo.url), { method: 'POST' })
      return status === 404
    })
    expect(await (await fetch(new URL('/api/visit', demo.url), { method: 'GET' })).text()).toBe('Use POST.\n')
  })
})

/** An extension that can duplicate a tab as the browser's own menu does. @returns its folder */
async function duplicator(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'heartline-extension-'))
  const manifest = {
    manifest_version: 3,
    name: 'duplicator',
    version: '1',
    permissions: ['tabs'],
    background: { service_worker: 'worker.js' },
  }
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
  await writeFile(join(folder, 'worker.js'), '')
  return folder
}
