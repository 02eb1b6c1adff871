import type { connect as connectFunction } from '../../src/client/index.ts'
import { Scene } from '../integration/scene.ts'
import { test as base } from './browser-test.ts'

// What session.html and its module define.
declare global {
  var connect: typeof connectFunction
  var madeAtMs: number[]
}

/** With session.html in the tab, and a scene for all that takes part outside of it. */
export const test = base
  // oxlint-disable-next-line eslint/no-empty-pattern -- vitest asks for a pattern
  .extend('scene', async ({}, { onCleanup }) => {
    const scene = new Scene()
    onCleanup(() => scene.end())
    return scene
  })
  .extend('page', async ({ tab, site }) => {
    await tab.page.goto(`${site.origin}/session.html`)
    await tab.page.waitForFunction(() => 'connect' in globalThis)
    return tab.page
  })
