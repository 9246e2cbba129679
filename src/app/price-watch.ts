import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Config } from '../config/config.js'
import { type Prices, PricesError } from '../ledger/prices.js'
import { readErrorCode } from '../lib/error-code.js'
import type { Log } from '../observe/log.js'
import { FileWatch } from './file-watch.js'

/**
 * Follows the price file of the config: later requests are billed by what it says then. A file that cannot be used
 * changes nothing; the log says what is wrong with it.
 * @returns null if the prices come from no file
 */
export function watchPriceFile(
  prices: Prices,
  config: Config,
  log: Pick<Log, 'info' | 'warn'>,
  pollMs?: number,
): FileWatch | null {
  const file = config.ledger.prices
  if (typeof file !== 'string') return null
  let latest = 0
  const read = async (): Promise<void> => {
    const turn = ++latest
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      refuse(`cannot be read (${readErrorCode(error)})`)
      return null
    })
    // A later change is read already, and its text is the newer one.
    if (text === null || turn !== latest) return
    try {
      prices.replace(basename(file), JSON.parse(text))
      log.info({ file, models: prices.size }, 'the price file was read again and is in use now')
    } catch (error) {
      if (error instanceof PricesError) refuse(error.message)
      else if (error instanceof SyntaxError) refuse('it is not JSON')
      else throw error
    }
  }
  const refuse = (why: string): void =>
    log.warn({ file }, `the price file ${file} is not used, the relay keeps its prices: ${why}`)
  return new FileWatch(file, () => void read(), pollMs)
}
