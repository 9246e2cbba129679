import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type DirectList, DirectListError } from '../direct/direct-list.js'
import { removeLeftovers, replaceFile } from '../direct/list-file.js'
import {
  formatCaddy,
  formatHaproxy,
  formatJson,
  formatNginx,
  holdsKeys,
  type ListFile,
  type ListFormat,
  MAP_NAMES,
} from '../direct/list-formats.js'
import { type PlainKeys, parsePlainKeys, selectPlainKeys } from '../direct/plain-keys.js'
import { readErrorCode } from '../lib/error-code.js'
import type { ExportOptions } from './keys-export-options.js'

/** A file of keys with more bytes is something else. */
const MOST_BYTES = 64 * 1024 * 1024

/**
 * Formats a list.
 * @param texts of keys, for fronts that cannot hash
 * @param made epoch milliseconds @param staleAfter unix seconds; null for never
 * @throws DirectListError if the front cannot check what the list limits
 */
export function formatList(
  list: DirectList,
  { format, anyModel }: Pick<ExportOptions, 'format' | 'anyModel'>,
  texts: PlainKeys | null,
  made: number,
  staleAfter: number | null,
): ListFile[] {
  if (format === 'json') return formatJson(list, made, staleAfter)
  if (format === 'haproxy') return formatHaproxy(list)
  if (list.scope.models !== null && !anyModel)
    throw new DirectListError(
      `the routes let only some models go to ${list.upstream}, and ${format} cannot check models; use --format json with njs, or accept that with --any-model`,
    )
  const keys = texts === null ? [] : selectPlainKeys(list, texts)
  return format === 'nginx' ? formatNginx(keys) : formatCaddy(keys)
}

/** The paths of the files of a list. @param out of `--out`, absolute */
export function namePaths(format: ListFormat, out: string): string[] {
  return format === 'haproxy' ? MAP_NAMES.map((name) => join(out, name)) : [out]
}

/** Removes what killed processes have left beside the files of a list. @param out see `namePaths` */
export function cleanUp(format: ListFormat, out: string): void {
  for (const file of namePaths(format, out)) removeLeftovers(file)
}

/** Writes the files of a list. @throws ListFileError */
export function writeList(files: readonly ListFile[], out: string, mode: number): void {
  for (const { name, text } of files) replaceFile(name === null ? out : join(out, name), text, mode)
}

/**
 * Reads the keys of `--keys`; null if the format has hashes.
 * @param cwd that the path is relative to
 * @throws DirectListError if they cannot be read
 */
export function readPlainKeys(
  { format, keys, follow }: Pick<ExportOptions, 'format' | 'keys' | 'follow'>,
  cwd: string,
): PlainKeys | null {
  if (!holdsKeys(format) || keys === null) return null
  let text: string
  try {
    text = keys === '-' ? readFileSync(STDIN, 'utf8') : readKeyText(resolve(cwd, keys), follow)
  } catch (error) {
    const code = readErrorCode(error)
    throw new DirectListError(`--keys: the file cannot be read (${code})${REMEDIES[code] ?? ''}`)
  }
  return parsePlainKeys(text)
}

const STDIN = 0

const REMEDIES: Readonly<Record<string, string>> = {
  ENOTFILE: ': name a regular file',
  EFBIG: ': name a file of keys; this file is far too large',
}

/** @param isFollowed it is read again and again, which a pipe cannot be */
function readKeyText(file: string, isFollowed: boolean): string {
  const stats = statSync(file)
  if (!stats.isFile() && (isFollowed || !stats.isFIFO())) throw codedError('ENOTFILE')
  if (stats.size > MOST_BYTES) throw codedError('EFBIG')
  return readFileSync(file, 'utf8')
}

function codedError(code: string): Error {
  return Object.assign(new Error(code), { code })
}
