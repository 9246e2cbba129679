import { readFileSync } from 'node:fs'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until, wait } from '../support/until.js'
import { findFaults, findFaultsInBoth } from './axe.js'
import { addKey, findChromium, launch, openPage, shownKey, signIn, type Watched } from './browser.js'
import { openScene, type PageScene } from './scene.js'

/** The page in a real browser. Without one, these tests are skipped: install Chromium (Debian: `chromium`). */
const CHROMIUM = findChromium()
const withChromium = CHROMIUM === null ? test.skip : test

/** Each view, with text that it shows only when it has data. */
const VIEWS = [
  ['now', 'respond'],
  ['latency', 'total'],
  ['spend', 'team-month'],
  ['caches', 'total'],
  ['requests', 'Older requests'],
  ['upstreams', 'circuit open'],
  ['keys', 'expires soon'],
  ['refusals', 'budget_exceeded'],
] as const

let browser: Browser
let scene: PageScene

test.before(async () => {
  if (CHROMIUM === null) return
  scene = await openScene()
  browser = await launch(CHROMIUM)
})

test.after(async () => {
  await browser?.close()
  await scene?.close()
})

/** Contexts in which somebody has signed in before, by their secret: most tests do not care how they came in. */
const signedIn = new Map<string, BrowserContext>()

/** Opens a page in which somebody is signed in (anew with `options`), and looks at the end whether anything went wrong. */
async function withPage(
  secret: string,
  run: (signedIn: Watched) => Promise<void>,
  options: BrowserContextOptions | null = null,
): Promise<void> {
  const known = options === null ? signedIn.get(secret) : undefined
  const context = known ?? (await browser.newContext(options ?? {}))
  context.setDefaultTimeout(20_000)
  const watched = await openPage(context, scene.url)
  const { page } = watched
  try {
    await page.goto(scene.url)
    if (known === undefined) {
      await signIn(page, secret)
      if (options === null) signedIn.set(secret, context)
    }
    await page.getByRole('navigation').waitFor()
    // The browser writes down that nobody was signed in.
    watched.errors.length = 0
    await run(watched)
    assert.equal(watched.errors, [])
    assert.equal(watched.strangers, [])
  } finally {
    await page.close()
    if (options !== null) await context.close()
  }
}

async function showView(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name }).waitFor()
}

withChromium('a wrong secret is refused in words, the token lets in, and who signs out is out', async () => {
  const context = await browser.newContext()
  const { page, strangers } = await openPage(context, scene.url)
  await page.goto(scene.url)
  await page.getByLabel('Token or key').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  assert.equal(await findFaults(page), [])
  await signIn(page, scene.operatorSecret)
  await page.reload()
  await page.getByRole('navigation').waitFor()
  assert.not.match(page.url(), new RegExp(scene.operatorSecret))
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Token or key').waitFor()
  await page.reload()
  await page.getByLabel('Token or key').waitFor()
  assert.equal(strangers, [])
  await context.close()
})

const PHONE = { width: 375, height: 740 }
const DESK = { width: 1280, height: 900 }

withChromium(
  'each view shows its data, and axe finds nothing serious in it, light, dark and on a phone, where none scrolls sideways',
  async () => {
    // The policy would forbid axe; another test looks at it.
    await withPage(
      scene.operatorSecret,
      async ({ page }) => {
        for (const [view, text] of VIEWS) {
          await page.setViewportSize(PHONE)
          await page.emulateMedia({ colorScheme: 'light' })
          await page.goto(`${scene.url}?view=${view}`)
          const data = page.getByRole('main').getByText(text).first()
          await data.waitFor({ state: 'attached' })
          const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
          assert.is(beyond, 0, view)
          // Of tables, too: that they can be reached by keyboard is one of axe's rules.
          assert.equal(await findFaults(page), [], `${view} (phone)`)
          await page.setViewportSize(DESK)
          await data.waitFor()
          await findFaultsInBoth(page, view)
        }
        await page.goto(`${scene.url}?view=requests`)
        await page.getByRole('row').nth(7).getByRole('link').first().click()
        await page.getByRole('rowheader', { name: 'upstream' }).waitFor()
        assert.match(page.url(), /request=req-/)
        await findFaultsInBoth(page, 'request')
      },
      { bypassCSP: true, viewport: PHONE },
    )
  },
)

withChromium('now goes on by itself, says when it is not connected, and comes back', async () => {
  const context = await browser.newContext()
  const { page } = await openPage(context, scene.url)
  await page.goto(scene.url)
  await signIn(page, scene.operatorSecret)
  const status = page.getByRole('main').getByRole('status').first()
  const oldest = page.getByRole('table', { name: 'Open requests' }).getByRole('row').nth(1)
  await status.getByText('Live').waitFor()
  const before = await oldest.getByRole('cell').nth(4).innerText()
  await oldest.getByRole('cell').nth(4).getByText(before, { exact: true }).waitFor({ state: 'detached' })
  scene.leave()
  await status.getByText('Not connected').waitFor()
  scene.comeBack()
  await status.getByText('Live').waitFor()
  await context.close()
})

withChromium('a relay that does not answer is said once, with what was there, until it answers', async () => {
  const context = await browser.newContext()
  const { page } = await openPage(context, scene.url)
  await page.goto(scene.url)
  await signIn(page, scene.operatorSecret)
  await showView(page, 'Upstreams')
  const target = page.getByRole('table', { name: 'Targets' }).getByText('openai')
  await target.waitFor()
  await context.setOffline(true)
  const alert = page.getByRole('alert').getByText('The relay does not answer')
  await alert.waitFor()
  assert.ok(await target.isVisible())
  await page.getByRole('navigation').getByRole('link', { name: 'Caches', exact: true }).click()
  assert.is(await page.getByRole('alert').count(), 1)
  await context.setOffline(false)
  await alert.waitFor({ state: 'detached' })
  await page.getByRole('table', { name: 'Caches by model' }).waitFor()
  await context.close()
})

withChromium('of many limits the fullest are shown, and all of them when they are asked for', async () => {
  await withPage(scene.operatorSecret, async ({ page }) => {
    await showView(page, 'Spend')
    const rows = page.getByRole('table', { name: 'Budgets' }).locator('tbody tr')
    await page.getByText('research').first().waitFor()
    assert.is(await rows.count(), 15)
    await page.getByRole('button', { name: /^Show all \d+ of Budgets$/ }).click()
    await rows.nth(20).waitFor()
    assert.is(await page.getByText('unused').count(), 0)
  })
})

withChromium('a hidden tab asks for nothing', async () => {
  await withPage(scene.operatorSecret, async ({ page }) => {
    await page.getByText('Live').waitFor()
    await page.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))`)
    await page.getByText('Paused').waitFor()
    await page.evaluate(`delete document.hidden
      document.dispatchEvent(new Event('visibilitychange'))`)
    await page.getByText('Live').waitFor()
  })
})

withChromium(
  'filters and range are in the URL, narrow what is asked for, and go with the back button',
  async () => {
    await withPage(scene.operatorSecret, async ({ page }) => {
      await showView(page, 'Latency')
      await page.getByRole('combobox', { name: 'Range' }).selectOption('12h')
      await page.getByRole('link', { name: scene.model, exact: true }).click()
      await page.getByRole('button', { name: `Remove the filter model ${scene.model}` }).waitFor()
      const { search } = new URL(page.url())
      assert.equal(
        [...new URLSearchParams(search)],
        [
          ['view', 'latency'],
          ['range', '12h'],
          ['model', scene.model],
        ],
      )
      const isAsked = (path: string): boolean => scene.asked.some((each) => each.startsWith(path))
      await until(() => isAsked(`GET /api/series?range=12h&model=${scene.model}`), 'a narrower series')
      await page.goBack()
      await page.getByRole('button', { name: /^Remove the filter/ }).waitFor({ state: 'detached' })
      assert.is(await page.getByRole('combobox', { name: 'Range' }).inputValue(), '12h')
      await page.goBack()
      assert.is(await page.getByRole('combobox', { name: 'Range' }).inputValue(), '2h')
      await page.goBack()
      await page.getByRole('heading', { level: 1, name: 'Now' }).waitFor()
      await page.goForward()
      await page.getByRole('combobox', { name: 'Filter by' }).selectOption('model')
      await page.getByRole('combobox', { name: 'Name of the model' }).fill(scene.hostile)
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: /^Remove the filter model/ }).waitFor()
      await page.reload()
      await page.getByRole('button', { name: /^Remove the filter model/ }).waitFor()
      assert.is(new URL(page.url()).searchParams.get('model'), scene.hostile)
    })
  },
)

withChromium('tables are sorted by their heads, and are there as CSV and JSON', async () => {
  await withPage(scene.operatorSecret, async ({ page }) => {
    await showView(page, 'Latency')
    const table = page.getByRole('table', { name: 'Latency by model' })
    const head = table.getByRole('columnheader', { name: 'Requests' })
    await head.waitFor()
    assert.is(await head.getAttribute('aria-sort'), 'descending')
    await head.getByRole('button').click()
    assert.is(await head.getAttribute('aria-sort'), 'ascending')
    const csv = await page.getByRole('link', { name: 'Latency by model as CSV' }).getAttribute('href')
    assert.is(csv, '/api/totals.csv?range=2h&by=model')
    await showView(page, 'Now')
    await page.getByText('respond').first().waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Open requests as CSV' }).click()
    const path = await (await download).path()
    assert.match(readFileSync(path, 'utf8'), /^owner,model,upstream,phase,age,tokens,pace,gap,bytes\r\n/)
  })
})

withChromium('the views and what is in them can be reached by keyboard', async () => {
  await withPage(scene.operatorSecret, async ({ page }) => {
    await page.reload()
    await page.getByRole('navigation').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    assert.is(await page.evaluate('document.activeElement.textContent'), 'Latency')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Latency' }).waitFor()
    assert.is(await page.evaluate('document.activeElement.textContent'), 'Latency')
    assert.is(await page.evaluate('document.activeElement.tagName'), 'H1')
    const values = page.locator('summary').first()
    await values.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('table', { name: 'First byte: values' }).getByRole('row').nth(3).waitFor()
  })
})

withChromium('a key that was revoked a moment ago is shown so, though the session came slowly', async () => {
  const context = await browser.newContext()
  try {
    const { page } = await openPage(context, scene.url)
    await page.goto(scene.url)
    await page.route('**/api/session', async (route) => {
      const response = await route.fetch()
      await wait(10_000)
      await route.fulfill({ response })
    })
    await signIn(page, scene.operatorSecret)
    await showView(page, 'Keys')
    const button = page.getByRole('button', { name: /^revoke/ }).last()
    const id = (await button.getAttribute('aria-label'))?.split(' ').at(-1) ?? 'no key'
    await button.click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    // By a clock that is late by the time of the answer, the key would end only then.
    const row = page.getByRole('row').filter({ hasText: id })
    await row.getByText('revoked').waitFor({ timeout: 8_000 })
  } finally {
    await context.close()
  }
})

withChromium('a key is added, shown once, rotated and revoked', async () => {
  await withPage(
    scene.operatorSecret,
    async ({ page }) => {
      await showView(page, 'Keys')
      const { key, dialog } = await addKey(page)
      const shown = shownKey(dialog)
      assert.match(key, /^lc_prod_nightly_builds_/)
      await page.keyboard.press('Escape')
      assert.ok(await shown.isVisible(), 'Escape does not take it away')
      await dialog.getByRole('button', { name: 'Done' }).click()
      const row = page.getByRole('row').filter({ hasText: 'nightly/builds' })
      await row.waitFor()
      assert.not.match(await page.content(), new RegExp(key))
      await row.getByRole('button', { name: /^revoke/ }).click()
      await dialog.getByRole('button', { name: 'Cancel' }).click()
      await row.getByRole('button', { name: /^revoke/ }).click()
      await dialog.getByRole('button', { name: 'Revoke' }).click()
      await row.getByText('revoked').waitFor()
      const other = page.getByRole('row').filter({ hasText: scene.stranger })
      await other
        .first()
        .getByRole('button', { name: /^rotate/ })
        .click()
      await dialog.getByRole('button', { name: 'Rotate' }).click()
      await shown.waitFor()
    },
    {},
  )
})

withChromium('the holder of a key sees what it did, and nothing of others', async () => {
  await withPage(scene.holderSecret, async ({ page }) => {
    const banner = page.getByRole('banner')
    await banner.getByText(scene.holder).waitFor()
    const links = await page.getByRole('navigation').getByRole('link').allInnerTexts()
    assert.equal(links, ['Now', 'Latency', 'Spend', 'Caches', 'Requests', 'Keys', 'Refusals'])
    await showView(page, 'Keys')
    await page.getByRole('table', { name: 'Your key' }).getByRole('row').nth(1).waitFor()
    assert.is(await page.getByRole('button', { name: /^(?:add|rotate|revoke)/i }).count(), 0)
    await showView(page, 'Spend')
    await page.getByRole('group', { name: 'Group by' }).getByRole('button').first().waitFor()
    const choices = await page.getByRole('group', { name: 'Group by' }).getByRole('button').allInnerTexts()
    assert.equal(choices, ['model', 'tag'])
    await page.goto(`${scene.url}?view=upstreams`)
    await page.getByRole('heading', { level: 1, name: 'Now' }).waitFor()
  })
})

withChromium('a name that is markup stays text in every view, below the policy of the page', async () => {
  await withPage(scene.operatorSecret, async ({ page }) => {
    for (const view of ['now', 'latency', 'spend&by=model', 'caches', 'requests']) {
      await page.goto(`${scene.url}?view=${view}`)
      await page.getByText(scene.hostile).first().waitFor()
    }
    const link = page.getByRole('link', { name: scene.hostile }).first()
    assert.match((await link.getAttribute('href')) ?? '', /^\?view=/)
    await link.click()
    await page.getByRole('button', { name: /^Remove the filter model/ }).waitFor()
    assert.is(await page.evaluate('window.hacked ?? null'), null)
    assert.is(await page.locator('img, script:not([src])').count(), 0)
  })
})

withChromium(
  'what the policy forbids is not needed: no inline script and no inline style in markup',
  async () => {
    await withPage(scene.operatorSecret, async ({ page, errors }) => {
      await page.getByText('respond').first().waitFor()
      await page.evaluate(`{
      const script = document.createElement('script')
      script.textContent = 'window.hacked = 1'
      document.body.append(script)
    }`)
      assert.is(await page.evaluate('window.hacked ?? null'), null)
      assert.match(errors.join(), /Content Security Policy/)
      errors.length = 0
    })
  },
)

withChromium(
  'an error of the API is shown as text, and where there is nothing, the page says so',
  async () => {
    const poor = await openScene({ isEmpty: true, failing: ['/api/keys'] })
    try {
      const context = await browser.newContext()
      const { page } = await openPage(context, poor.url)
      await page.goto(poor.url)
      await signIn(page, poor.operatorSecret)
      await showView(page, 'Latency')
      await page.getByText('No requests in this range.').waitFor()
      await showView(page, 'Requests')
      await page.getByText('No requests yet').waitFor()
      await showView(page, 'Keys')
      await page.getByRole('alert').getByText('No data <b>here</b> for /api/keys.').waitFor()
      await context.close()
    } finally {
      await poor.close()
    }
  },
)

withChromium(
  'of thousands of keys two hundred are drawn, and any is found by a part of its name',
  async () => {
    const crowded = await openScene({ moreKeys: 3_000 })
    try {
      const context = await browser.newContext()
      const { page } = await openPage(context, crowded.url)
      await page.goto(crowded.url)
      await signIn(page, crowded.operatorSecret)
      await showView(page, 'Keys')
      await page.getByRole('button', { name: /^Show all 3\d{3} of Keys$/ }).waitFor()
      assert.is(await page.getByRole('row').count(), 1 + 200)
      await page.getByLabel('Find keys').fill('Crowd/USER2987')
      await page.getByRole('cell', { name: 'crowd/user2987', exact: true }).waitFor()
      assert.is(await page.getByRole('row').count(), 1 + 1)
      await page.getByLabel('Find keys').fill('nobody')
      await page.getByText('No key has that').waitFor()
      await context.close()
    } finally {
      await crowded.close()
    }
  },
)

test.run()
