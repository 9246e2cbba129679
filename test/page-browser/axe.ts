import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import * as assert from 'uvu/assert'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds that hinders somebody. It runs in the page, whose policy would forbid it: open it with `bypassCSP`. */
export async function findFaults(page: Page): Promise<string[]> {
  const found = await page.evaluate(`(async () => {
    ${(await page.evaluate('"axe" in window')) ? '' : AXE}
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.map(({ impact, id, nodes }) => impact + ' ' + id + ': ' + nodes[0].target)
  })()`)
  return (found as string[]).filter((fault) => /^(?:serious|critical) /.test(fault))
}

/** Looks at what the page shows in light and in dark, at a desk. */
export async function findFaultsInBoth(page: Page, view: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await drawn(page)
    assert.equal(await findFaults(page), [], `${view} (${colorScheme})`)
  }
}

/** Waits until what has changed is drawn. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
}
