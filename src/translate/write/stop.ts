import type { Json } from '../conversation.js'
import { isBlank } from './json-text.js'
import type { RequestFields } from './request-fields.js'
import { listElements } from './tool-texts.js'

/**
 * The stop sequences that an API takes. Others are left out, and reported.
 * @param most the number that it takes
 * @param refusesBlank it takes none of white space alone
 * @returns null if none is left
 */
export function formatStop(
  stop: Json | null,
  most: number,
  refusesBlank: boolean,
  fields: RequestFields,
): Json | null {
  if (stop === null) return null
  const all = listElements(stop.startsWith('"') ? `[${stop}]` : stop) ?? []
  const texts = all.filter(
    (text) => text.startsWith('"') && text !== '""' && !(refusesBlank && isBlank(text)),
  )
  const kept = texts.slice(0, most)
  if (kept.length < all.length) fields.drop('stop')
  return kept.length === 0 ? null : `[${kept.join(',')}]`
}
