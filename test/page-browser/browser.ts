import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** The Chromium of this machine; null if there is none. */
export function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const files = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return files.find((file) => existsSync(file)) ?? null
}

/** Starts it. Each test opens a context of its own in it. */
export function launch(file: string): Promise<Browser> {
  // In a container there is mostly no sandbox for root, and little shared memory.
  return chromium.launch({
    executablePath: file,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  })
}

/** A page, with what it must not do. */
export interface Watched {
  readonly page: Page
  /** Errors in the console, and of scripts. */
  readonly errors: string[]
  /** Requests that leave the origin. */
  readonly strangers: string[]
}

/** Opens a page, and watches it. @param origin where requests may go; null: nowhere but to files */
export async function openPage(context: BrowserContext, origin: string | null): Promise<Watched> {
  const page = await context.newPage()
  const errors: string[] = []
  const strangers: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('request', (request) => {
    const url = request.url()
    const isOwn = origin === null ? url.startsWith('file:') : url.startsWith(origin)
    if (!isOwn && !url.startsWith('blob:')) strangers.push(url)
  })
  return { page, errors, strangers }
}

/** Adds a key for `nightly/builds` in the view of keys. @returns the key, and the dialog that shows it */
export async function addKey(page: Page): Promise<{ readonly key: string; readonly dialog: Locator }> {
  await page.getByRole('button', { name: 'Add a key' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('team').fill('nightly')
  await dialog.getByLabel('user').fill('builds')
  await dialog.getByRole('button', { name: 'Add' }).click()
  const shown = shownKey(dialog)
  await shown.waitFor()
  return { key: await shown.inputValue(), dialog }
}

/** Where a new key is shown. */
export function shownKey(dialog: Locator): Locator {
  return dialog.getByLabel('The new key', { exact: true })
}

/** Signs in to the page that is open. */
export async function signIn(page: Page, secret: string): Promise<void> {
  await page.getByLabel('Token or key').fill(secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
}
