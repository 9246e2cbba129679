import { readFileSync } from 'node:fs'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { auditFileOf } from '../../src/access/audit.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { gate, until, wait } from '../support/until.js'
import { CHUNKED, chunk, head, ScriptedUpstream, SSE } from '../support/upstream.js'
import { findFaults } from './axe.js'
import { addKey, findChromium, launch, openPage, type Watched } from './browser.js'

/** The page of a real relay, with requests that it has served: what a browser shows is what was sent. */
const CHROMIUM = findChromium()

const TOKEN = 'page-token-0123456789abcdef'

/** A name that would set `window.hacked` if it were markup. */
const HOSTILE = '<img src=x onerror="window.hacked=1">'

const USAGE = { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 }

interface Scene {
  relay: TestRelay
  bad: ScriptedUpstream
  good: ScriptedUpstream
  browser: Browser
  /** Lets open streams write one more token. */
  token: () => void
  /** Ends the open streams. */
  end: () => void
  url: string
  other: string
}

const page = suite<Partial<Scene>>('the page of a real relay')
const test = CHROMIUM === null ? page.skip : page

page.before(async (scene) => {
  if (CHROMIUM === null) return
  const ended = gate()
  const waiting: (() => void)[] = []
  const bad = await ScriptedUpstream.start((request) =>
    request.write(head('500 Internal Server Error', 'content-length: 0')),
  )
  const good = await ScriptedUpstream.start(async (request) => {
    const { model, stream = false } = JSON.parse(request.body.toString()) as {
      model: string
      stream?: boolean
    }
    if (!stream) {
      const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }]
      const text = JSON.stringify({
        id: 'a',
        object: 'chat.completion',
        created: 1,
        model,
        choices,
        usage: USAGE,
      })
      await request.write(
        `${head('200 OK', 'content-type: application/json', `content-length: ${Buffer.byteLength(text)}`)}${text}`,
      )
      return
    }
    const event = (fields: object): string =>
      String(chunk(`data: ${JSON.stringify({ model, ...fields })}\n\n`))
    const delta = (content: string): string => event({ choices: [{ index: 0, delta: { content } }] })
    await request.write(head('200 OK', SSE, CHUNKED) + delta('one'))
    let isOpen = true
    void ended.opened.then(() => {
      isOpen = false
    })
    while (isOpen) {
      await Promise.race([ended.opened, new Promise<void>((resolve) => waiting.push(resolve))])
      if (isOpen) await request.write(delta(' more'))
    }
    await request.write(`${event({ choices: [], usage: USAGE })}${chunk('data: [DONE]\n\n')}0\r\n\r\n`)
  })
  const targets = [{ upstream: 'bad' }, { upstream: 'good' }]
  const relay = await startRelay(
    { bad: { baseUrl: bad.url, auth: 'none' }, good: { baseUrl: good.url, auth: 'none' } },
    {
      routes: [{ targets }],
      admin: { listen: '127.0.0.1:0', token: { env: 'PAGE_TOKEN' } },
      limits: {
        rules: [
          { name: 'team-month', per: 'team', usd: { month: 10 } },
          { name: 'no-o1', models: { deny: 'o1-*' } },
        ],
      },
    },
    { PAGE_TOKEN: TOKEN },
  )
  Object.assign(scene, { relay, bad, good, url: `http://127.0.0.1:${relay.pagePort}/` })
  scene.token = () => {
    for (const go of waiting.splice(0)) go()
  }
  scene.end = () => ended.open()
  scene.other = relay.addKey('team2')
  for (let i = 0; i < 12; i++) await ask(relay, relay.key, 'gpt-4o-mini')
  for (let i = 0; i < 5; i++) await ask(relay, scene.other, 'gpt-4o')
  await ask(relay, relay.key, HOSTILE)
  await ask(relay, relay.key, 'o1-mini')
  await relay.records(19)
  scene.browser = await launch(CHROMIUM)
})

page.after(async ({ browser, relay, bad, good, end }) => {
  end?.()
  await browser?.close()
  await relay?.close()
  await bad?.close()
  await good?.close()
})

async function ask(relay: TestRelay, key: string, model: string, stream = false): Promise<Response> {
  return fetch(`${relay.url}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-thinwire-tags': 'project=checkout',
    },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hello' }] }),
  })
}

/** Opens the page, signs in, and looks at the end whether anything went wrong in it. */
async function withPage(
  scene: Partial<Scene>,
  secret: string,
  run: (signedIn: Watched & { readonly context: BrowserContext; readonly page: Page }) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const { browser, url } = scene as Scene
  const context = await browser.newContext(options)
  context.setDefaultTimeout(30_000)
  try {
    const watched = await openPage(context, url)
    const answer = await watched.page.goto(url)
    assert.match(answer?.headers()['content-security-policy'] ?? '', /default-src 'self'/)
    await watched.page.getByLabel('Token or key').fill(secret)
    await watched.page.getByRole('button', { name: 'Sign in' }).click()
    await watched.page.getByRole('navigation').waitFor()
    // The browser writes down that nobody was signed in.
    watched.errors.length = 0
    await run({ ...watched, context })
    assert.equal(watched.errors, [])
    assert.equal(watched.strangers, [])
    assert.is(await watched.page.evaluate('window.hacked ?? null'), null)
  } finally {
    await context.close()
  }
}

async function show(page: Page, url: string, view: string): Promise<void> {
  await page.goto(`${url}?view=${view}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
}

/** Numbers of a row of a table, by the text of the row. */
async function rowOf(page: Page, table: string, text: string): Promise<string> {
  const row = page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text }).first()
  await row.waitFor()
  return row.innerText()
}

test('each view shows what the relay has served', async (scene) => {
  await withPage(scene, TOKEN, async ({ page }) => {
    const { url } = scene as Scene
    await show(page, url, 'latency')
    assert.match(await rowOf(page, 'Latency by model', 'gpt-4o-mini'), /\b12\b/)
    assert.match(await rowOf(page, 'Latency by model', HOSTILE), /\b1\b/)
    await show(page, url, 'spend')
    // 13 requests of team1 with 1,000 and 100 tokens, of which 12 have a price; 5 of team2.
    assert.match(await rowOf(page, 'Spend by team', 'team2'), /\b5\b/)
    await page.getByText('team-month').first().waitFor()
    await show(page, url, 'requests')
    await page.getByText(HOSTILE).first().waitFor()
    // The first one: later ones no longer ask the target that fails.
    await page.getByRole('row').filter({ hasText: 'gpt-4o-mini' }).last().getByRole('link').first().click()
    await page.getByRole('rowheader', { name: 'upstream' }).waitFor()
    await page.getByText('bad 500').first().waitFor()
    await show(page, url, 'upstreams')
    await page.getByText('bad').first().waitFor()
    await page.getByText('good').first().waitFor()
    await show(page, url, 'refusals')
    await page.getByText('model_denied').or(page.getByText('no-o1')).first().waitFor()
    await show(page, url, 'caches')
    await page.getByText('total').first().waitFor()
  })
})

test('axe finds nothing serious in any view, nor in a request', async (scene) => {
  const { url } = scene as Scene
  // What each view shows when it has the data of this relay.
  const views = [
    ['now', 'No request is open'],
    ['latency', 'gpt-4o-mini'],
    ['spend', 'team-month'],
    ['caches', 'gpt-4o-mini'],
    ['requests', 'gpt-4o-mini'],
    ['upstreams', 'good'],
    ['keys', 'team1/user1'],
    ['refusals', 'no-o1'],
  ] as const
  await withPage(
    scene,
    TOKEN,
    async ({ page }) => {
      for (const [view, text] of views) {
        await show(page, url, view)
        await page.getByRole('main').getByText(text).first().waitFor()
        assert.equal(await findFaults(page), [], view)
      }
      await show(page, url, 'requests')
      await page.getByRole('row').nth(1).getByRole('link').first().click()
      await page.getByRole('heading', { name: 'Record' }).waitFor()
      assert.equal(await findFaults(page), [], 'request')
    },
    { bypassCSP: true },
  )
})

test('a stream that begins appears by itself, its tokens rise, and it goes when it ends', async (scene) => {
  const { relay, token, end, url } = scene as Scene
  await withPage(scene, TOKEN, async ({ page }) => {
    await show(page, url, 'now')
    await page.getByText('Live').waitFor()
    const answer = ask(relay, relay.key, 'live-model', true)
    const row = page
      .getByRole('table', { name: 'Open requests' })
      .getByRole('row')
      .filter({ hasText: 'live-model' })
    await row.waitFor()
    const tokens = row.getByRole('cell').nth(5)
    const before = Number(await tokens.innerText())
    token()
    token()
    // A look at once after another would keep the browser busy.
    while (Number(await tokens.innerText()) <= before) await wait(50)
    end()
    await (await answer).text()
    await row.waitFor({ state: 'detached' })
  })
})

test('a key that is added works at once, is refused once it is revoked, and the audit names the page', async (scene) => {
  const { relay, url } = scene as Scene
  await withPage(scene, TOKEN, async ({ page }) => {
    await show(page, url, 'keys')
    const { key, dialog } = await addKey(page)
    assert.is((await ask(relay, key, 'gpt-4o')).status, 200)
    await dialog.getByRole('button', { name: 'Done' }).click()
    const row = page.getByRole('row').filter({ hasText: 'nightly/builds' })
    await row.getByRole('button', { name: /^revoke/ }).click()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    await row.getByText('revoked').waitFor()
    assert.is((await ask(relay, key, 'gpt-4o')).status, 401)
    const audit = readFileSync(auditFileOf(relay.keyFile), 'utf8').trim().split('\n').slice(-2)
    assert.equal(
      audit.map((line) => {
        const entry = JSON.parse(line) as { op: string; page?: string }
        return [entry.op, typeof entry.page]
      }),
      [
        ['issued', 'string'],
        ['revoked', 'string'],
      ],
    )
  })
})

test('the holder of a key sees its own requests, and nothing of others', async (scene) => {
  const { other, url } = scene as Scene
  await withPage(scene, other, async ({ page }) => {
    const seen: string[] = []
    page.on('response', (response) => {
      if (!response.url().includes('/api/') || response.url().includes('/api/live')) return
      // What a view had asked for that is left already is gone.
      void response.text().then(
        (text) => seen.push(`${response.url()} ${text}`),
        () => {},
      )
    })
    await show(page, url, 'latency')
    assert.match(await rowOf(page, 'Latency by model', 'gpt-4o'), /\b5\b/)
    for (const view of ['now', 'spend', 'caches', 'requests', 'keys', 'refusals']) await show(page, url, view)
    await until(() => seen.some((each) => each.includes('/api/refusals')), 'the answers')
    for (const each of seen) assert.not.match(each, /gpt-4o-mini|user1|team1|onerror/)
  })
})

page.run()
