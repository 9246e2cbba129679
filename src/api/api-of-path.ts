import { APIS, type Api } from './presets.js'

/** Which of the APIs a path belongs to, by its place in `DIALECTS`; `OTHER` if to none of them. */
export function findApiIndex(path: string): number {
  if (path.endsWith('/completions')) return path.endsWith('/chat/completions') ? CHAT : COMPLETIONS
  if (isAtOrBelow(path, '/messages')) return MESSAGES
  if (isAtOrBelow(path, '/responses')) return RESPONSES
  if (path.endsWith('/embeddings')) return EMBEDDINGS
  return OTHER_API
}

const CHAT = APIS.indexOf('chat')
const COMPLETIONS = APIS.indexOf('completions')
const RESPONSES = APIS.indexOf('responses')
const MESSAGES = APIS.indexOf('messages')
const EMBEDDINGS = APIS.indexOf('embeddings')

/** Models, files, audio and whatever else: for whoever is asked. */
export const OTHER_API = APIS.length

/** @param index of `dialectIndex` */
export function includesApi(apis: readonly Api[] | null, index: number): boolean {
  return apis === null || index === OTHER_API || apis.includes(APIS[index] as Api)
}

/** Itself, or something below it. */
export function isAtOrBelow(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH)
  )
}

const SLASH = 0x2f
