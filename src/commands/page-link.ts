import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PagePort } from '../app/ports.js'
import type { Config } from '../config/config.js'
import { readErrorCode } from '../lib/error-code.js'
import { ignore } from '../lib/ignore.js'
import type { FirstKeyPlace } from './first-key.js'
import { formatOrigin } from './listening.js'
import { writePrivateFile } from './private-file.js'

/** How operators come to the page. */
export interface PageLink {
  readonly origin: string
  /** The link for one sign-in, if it is shown here. */
  readonly link: string | null
  /** Absolute path of the file that has it; null if there is none. */
  readonly file: string | null
  /** Why the file could not be written: the error code. Null if it was, or none is needed. */
  readonly problem: string | null
}

/** What makes tokens: a relay, or the primary of several workers. */
export interface PagePrinter {
  readonly config: Pick<Config, 'keys'>
  /** @returns null if the config has a token. See `PageServer.printToken` */
  printPageToken(onSpent: () => void): string | null
}

/**
 * Makes the link by which the person who starts the relay signs in, if the config has no token. With `file` it is
 * written to `page-link` beside the key file, with mode 0600, and removed once it was used: what a service or a
 * container prints is kept as a log.
 * @returns null if there is no page
 */
export function createPageLink(
  printer: PagePrinter,
  { pageHost, pagePort }: PagePort,
  place: FirstKeyPlace,
): PageLink | null {
  if (pageHost === null || pagePort === null) return null
  const origin = formatOrigin(pageHost, pagePort)
  const nothing = { origin, link: null, file: null, problem: null }
  let forget = ignore
  const token = printer.printPageToken(() => forget())
  if (token === null) return nothing
  const link = `${origin}/?token=${token}`
  if (place === 'show') return { ...nothing, link }
  const file = join(dirname(printer.config.keys.file), 'page-link')
  try {
    writePrivateFile(file, `${file}.${process.pid}`, `${link}\n`)
  } catch (error) {
    return { ...nothing, file, problem: readErrorCode(error) }
  }
  forget = () => removeOwn(file, `${link}\n`)
  return { ...nothing, file }
}

/** Another relay with the same key file may have replaced it. */
function removeOwn(file: string, text: string): void {
  try {
    if (readFileSync(file, 'utf8') === text) rmSync(file, { force: true })
  } catch {
    // It is gone, or cannot be read any more: the token in it is good for nothing.
  }
}
