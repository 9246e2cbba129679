import { hashKey, inspectKey } from '../access/key.js'
import type { DirectList } from './direct-list.js'
import type { PlainKey } from './list-formats.js'

/** Keys as a file has them. */
export interface PlainKeys {
  /** By their hashes. */
  readonly byHash: ReadonlyMap<string, string>
  /** Numbers of the lines that hold no key. */
  readonly flawed: readonly number[]
}

/** Reads keys, one a line. Empty lines and those that begin with `#` are skipped. */
export function parsePlainKeys(text: string): PlainKeys {
  const byHash = new Map<string, string>()
  const flawed: number[] = []
  for (const [i, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const key = line.trim()
    if (key === '' || key.startsWith('#')) continue
    if (typeof inspectKey(key) === 'string') flawed.push(i + 1)
    else byHash.set(hashKey(key), key)
  }
  return { byHash, flawed }
}

/** The keys of a list whose text is known. */
export function selectPlainKeys({ keys }: DirectList, { byHash }: PlainKeys): PlainKey[] {
  return keys.flatMap((key) => {
    const text = byHash.get(key.hash)
    return text === undefined ? [] : [{ ...key, text }]
  })
}
