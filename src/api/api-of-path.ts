import { type ApiDialect, DIALECTS } from './presets.js'

/** Which of the APIs a path belongs to, by its place in `DIALECTS`; `OTHER` if to none of them. */
export function dialectIndex(path: string): number {
  if (path.endsWith('/completions')) return path.endsWith('/chat/completions') ? CHAT : COMPLETIONS
  if (begins(path, '/messages')) return MESSAGES
  if (begins(path, '/responses')) return RESPONSES
  if (path.endsWith('/embeddings')) return EMBEDDINGS
  return OTHER
}

const CHAT = DIALECTS.indexOf('chat')
const COMPLETIONS = DIALECTS.indexOf('completions')
const RESPONSES = DIALECTS.indexOf('responses')
const MESSAGES = DIALECTS.indexOf('messages')
const EMBEDDINGS = DIALECTS.indexOf('embeddings')

/** Models, files, audio and whatever else: for whoever is asked. */
export const OTHER = DIALECTS.length

/** @param index of `dialectIndex` */
export function speaks(dialects: readonly ApiDialect[] | null, index: number): boolean {
  return dialects === null || index === OTHER || dialects.includes(DIALECTS[index] as ApiDialect)
}

/** Itself, or something below it. */
export function begins(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH)
  )
}

const SLASH = 0x2f
