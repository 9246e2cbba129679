import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename } from 'node:path'
import type { Price } from '../ledger/price.js'
import { buildBuiltInPrices, readPriceFile, readPriceTable } from '../ledger/price-file.js'
import { comparePrices, groupDigits, type PriceChanges } from '../ledger/price-rates.js'
import { PricesError } from '../ledger/prices.js'
import { type Given, OK, type PricesIo, PricesProblem, type Subcommand } from './prices-common.js'
import { wrapLine } from './wrap-line.js'

/** `thinwire prices update`: compares another file with the prices in use, and puts it in their place. */
export const UPDATE: Subcommand = {
  options: { file: { type: 'string' }, write: { type: 'boolean' } },
  check: ({ values, rest }) =>
    rest.length > 0 || values.file === undefined ? 'update needs --file F' : null,
  run: update,
}

/** Models of each kind that are listed; `--json` has all. */
const MAX_LISTED = 20

/** The prices that records are billed by now. */
interface InUse {
  readonly prices: ReadonlyMap<string, Price>
  readonly title: string
  /** Why the file in use was not compared; null if it was, or there is none. */
  readonly problem: string | null
}

function update({ values }: Given, io: PricesIo): number {
  const file = String(values.file)
  const setting = io.setting(values.config === undefined ? undefined : String(values.config))
  if (values.write === true && typeof setting !== 'string')
    throw new PricesProblem('--write needs a place: set ledger.prices to the name of a file')
  const { text, table } = readPriceFile(file, '')
  const next = readPriceTable(file, table)
  const { prices, title, problem } = readInUse(setting)
  if (problem !== null) io.err.write(wrapLine('', problem))
  const changes = comparePrices(prices, next)
  // The built-in prices of models that a file lacks stay in use.
  const shown = title === BUILT_IN ? { ...changes, removed: [] } : changes
  const written = values.write === true && typeof setting === 'string' ? setting : null
  if (written !== null) replaceFile(written, text)
  if (values.json === true) io.out.write(`${JSON.stringify({ in_use: title, file, ...shown, written })}\n`)
  else {
    io.out.write(describe(title, file, shown))
    if (written === null && typeof setting === 'string')
      io.err.write(wrapLine('', `Nothing was written. --write puts it in the place of ${setting}`))
  }
  if (written !== null)
    io.err.write(wrapLine('', `Written: ${written}. A running relay takes it within a second.`))
  return OK
}

const BUILT_IN = 'the built-in prices'

function readInUse(setting: string | boolean): InUse {
  if (setting === false) return { prices: new Map(), title: 'no prices', problem: null }
  const builtIn = { prices: buildBuiltInPrices(), title: BUILT_IN, problem: null }
  if (setting === true) return builtIn
  try {
    const { table } = readPriceFile(setting, '')
    return { prices: readPriceTable(basename(setting), table), title: setting, problem: null }
  } catch (error) {
    if (!(error instanceof PricesError)) throw error
    return { ...builtIn, problem: `${error.message}; compared with the built-in prices` }
  }
}

function describe(title: string, file: string, { added, removed, changed, same }: PriceChanges): string {
  const counts = [
    ...[`${groupDigits(added.length)} added`, `${groupDigits(removed.length)} removed`],
    ...[`${groupDigits(changed.length)} changed`, `${groupDigits(same)} the same`],
  ]
  let text = wrapLine('', `${file}, compared with ${title}: ${counts.join(', ')}`)
  if (added.length + changed.length > 0) text += 'USD for 1M tokens, or for one request or search\n'
  text += list('added', added, ({ model, rates }) => {
    const shown = Object.entries(rates).map(([rate, value]) => `${rate} ${value}`)
    return wrapLine('  ', model) + wrapLine('    ', shown.join('; '))
  })
  text += list('changed', changed, ({ model, rates }) => {
    const lines = rates.map(({ rate, old, new: next }) =>
      wrapLine('    ', `${rate}: ${old ?? 'none'} -> ${next ?? 'none'}`),
    )
    return wrapLine('  ', model) + lines.join('')
  })
  return text + list('removed', removed, (model) => wrapLine('  ', model))
}

function list<T>(title: string, items: readonly T[], format: (item: T) => string): string {
  if (items.length === 0) return ''
  const shown = items.slice(0, MAX_LISTED).map(format).join('')
  const rest = items.length - MAX_LISTED
  return `\n${title}\n${shown}${rest > 0 ? `  and ${groupDigits(rest)} more; --json has all\n` : ''}`
}

/**
 * Puts a text in the place of a file in one step: a relay that reads it at this moment gets the old or the new one.
 * A symbolic link stays one.
 * @throws PricesError
 */
function replaceFile(file: string, text: string): void {
  let place = file
  let mode = 0o644
  try {
    place = realpathSync(file)
    mode = statSync(place).mode & 0o777
  } catch {
    // It does not exist yet.
  }
  const temporary = `${place}.${process.pid}.new`
  try {
    const handle = openSync(temporary, 'wx', mode)
    try {
      let rest = Buffer.from(text)
      while (rest.length > 0) rest = rest.subarray(writeSync(handle, rest))
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, place)
  } catch (error) {
    rmSync(temporary, { force: true })
    const { code } = error as NodeJS.ErrnoException
    throw new PricesError(`${file} cannot be written (${code})`)
  }
}
