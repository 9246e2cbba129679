import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A reader of the ledger that is written apart from the relay: it knows the files by their names and the records by
 * `FIELDS.md`, and takes the money from the text of a line, without a binary fraction.
 */

export type Fields = Readonly<Record<string, unknown>>

export interface Line {
  readonly fields: Fields
  /** Nano-dollars; null if the cost is not known. */
  readonly cost: bigint | null
}

export interface Sum {
  requests: number
  prompt: bigint
  cached: bigint
  written: bigint
  writtenHour: bigint
  completion: bigint
  reasoning: bigint
  searches: bigint
  cost: bigint
}

export function emptySum(): Sum {
  const zero = { prompt: 0n, cached: 0n, written: 0n, writtenHour: 0n, completion: 0n, reasoning: 0n }
  return Object.assign({ requests: 0 }, zero, { searches: 0n, cost: 0n })
}

/** @returns each record once, and how many lines a kill has torn */
export function readBooks(folder: string): { readonly lines: readonly Line[]; readonly torn: number } {
  const lines = new Map<string, Line>()
  let torn = 0
  for (const name of readdirSync(folder).sort()) {
    if (!/^usage-\d{4}-\d{2}-\d{2}(\.w\d+)?(\.\d+)?\.jsonl$/.test(name)) continue
    for (const text of readFileSync(join(folder, name), 'utf8').split('\n')) {
      if (text === '') continue
      const line = parseLine(text)
      if (line === null) torn++
      else lines.set(`${line.fields.writer} ${line.fields.seq}`, line)
    }
  }
  return { lines: [...lines.values()], torn }
}

function parseLine(text: string): Line | null {
  let fields: Fields
  try {
    fields = JSON.parse(text) as Fields
  } catch {
    return null
  }
  const [, cost = ''] = /,"cost_usd":(null|[-+.\deE]+),/.exec(text) ?? []
  return { fields, cost: cost === 'null' ? null : parseNano(cost) }
}

/** @throws if it is no decimal, or has parts of a nano-dollar */
export function parseNano(text: string): bigint {
  const [, whole, fraction = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? []
  if (whole === undefined) throw new Error(`not an amount: ${text}`)
  const digits = BigInt(whole + fraction)
  const shift = 9 + Number(exponent) - fraction.length
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const unit = 10n ** BigInt(-shift)
  if (digits % unit !== 0n) throw new Error(`not whole nano-dollars: ${text}`)
  return digits / unit
}

/** Adds a record. What is not known adds nothing. */
export function addLine(sum: Sum, { fields, cost }: Line): void {
  const count = (name: string): bigint => BigInt(Number(fields[name] ?? 0))
  sum.requests++
  sum.prompt += count('prompt_tokens')
  sum.cached += count('cached_tokens')
  sum.written += count('cache_write_tokens')
  sum.writtenHour += count('cache_write_1h_tokens')
  sum.completion += count('completion_tokens')
  sum.reasoning += count('reasoning_tokens')
  sum.searches += count('searches')
  sum.cost += cost ?? 0n
}

export function addSum(sum: Sum, more: Sum): void {
  sum.requests += more.requests
  sum.prompt += more.prompt
  sum.cached += more.cached
  sum.written += more.written
  sum.writtenHour += more.writtenHour
  sum.completion += more.completion
  sum.reasoning += more.reasoning
  sum.searches += more.searches
  sum.cost += more.cost
}
