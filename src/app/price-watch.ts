import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Config } from '../config/config.js'
import { parsePriceText } from '../ledger/price-file.js'
import { type Prices, PricesError } from '../ledger/prices.js'
import { readErrorCode } from '../lib/error-code.js'
import type { Log } from '../observe/log.js'
import { FileWatch } from './file-watch.js'

/**
 * Follows the price file of the config: later requests are billed by what it says then. A file that cannot be used
 * changes nothing; the log says what is wrong with it.
 * @param readAt when the prices in use were read; epoch milliseconds
 * @returns null if the prices come from no file
 */
export function watchPriceFile(
  prices: Prices,
  config: Config,
  readAt: number,
  log: Pick<Log, 'info' | 'error'>,
  pollMs?: number,
): FileWatch | null {
  const file = config.ledger.prices
  if (typeof file !== 'string') return null
  let latest = 0
  const read = async (): Promise<void> => {
    const turn = ++latest
    // A later change has the newer text.
    const isLatest = (): boolean => turn === latest
    try {
      await prices.replace(basename(file), parsePriceText(await readFile(file, 'utf8')), isLatest)
    } catch (error) {
      if (isLatest()) refuse(describe(error))
      return
    }
    if (isLatest()) log.info({ file, models: prices.size }, 'the price file was read again and is in use now')
  }
  const refuse = (why: string): void =>
    log.error({ file }, `the price file ${file} is not used, the relay keeps its prices: ${why}`)
  return new FileWatch(file, readAt, () => void read(), pollMs)
}

/** @throws the error itself, if it is a fault of the relay */
function describe(error: unknown): string {
  if (error instanceof PricesError) return error.message
  if (error instanceof SyntaxError) return 'it is not JSON'
  if (error instanceof Error && 'code' in error) return `it cannot be read (${readErrorCode(error)})`
  throw error
}
