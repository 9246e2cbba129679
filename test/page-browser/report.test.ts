import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendText, recordOf } from '../support/ledger.js'
import { clear, open, type Place, runUsage } from '../support/thinwire.js'
import { findChromium, launch, openPage } from './browser.js'
import { HOSTILE } from './stub-data.js'

const test = suite<Place>('usage report --html in Chromium')

const CHROMIUM = findChromium()
const withChromium = CHROMIUM === null ? test.skip : test

test.before.each(open)
test.after.each(clear)

withChromium(
  'the file opens without a network, at any width, and a name in it can do nothing',
  async (place) => {
    for (const [i, day] of ['2026-01-30', '2026-01-31', '2026-02-01'].entries()) {
      const records = ['gpt-5', HOSTILE, 'm'.repeat(200)].map((model, n) => ({
        ...{ seq: i * 3 + n + 1, ts: `${day}T09:00:00.000Z`, team: 'a', user: HOSTILE, model },
        ...{ cost_usd: 1 + n, prompt_tokens: 5_000, completion_tokens: 300, ttft_ms: 300, overhead_us: 200 },
      }))
      appendText(place, `usage-${day}.jsonl`, records.map(recordOf).join(''))
    }
    const file = join(place.folder, 'usage.html')
    const { code, err } = await runUsage(place, ['report', '--html', file])
    assert.is(code, 0, err)
    const browser = await launch(CHROMIUM ?? '')
    try {
      const context = await browser.newContext({ offline: true, viewport: { width: 375, height: 700 } })
      const { page, errors, strangers } = await openPage(context, null)
      await page.goto(pathToFileURL(file).href)
      await page.getByRole('heading', { level: 1, name: 'Usage of all days' }).waitFor()
      const cells = page
        .getByRole('table', { name: 'Usage by model' })
        .getByRole('row')
        .nth(2)
        .getByRole('cell')
      assert.is(await cells.first().innerText(), HOSTILE)
      assert.is(await page.getByRole('list', { name: 'Cost by day' }).getByRole('listitem').count(), 3)
      // The style is there: its hash is the one that the policy names.
      assert.is(await page.evaluate(`getComputedStyle(document.querySelector('.tiles')).display`), 'grid')
      assert.is(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
      assert.is(await page.evaluate('window.hacked ?? null'), null)
      assert.is(await page.locator('script, img').count(), 0)
      assert.equal(errors, [])
      assert.equal(strangers, [])
    } finally {
      await browser.close()
    }
  },
)

test.run()
