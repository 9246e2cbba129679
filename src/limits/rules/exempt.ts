import { findModelCall, isRead } from '../../api/model-paths.js'
import { classifyRequest } from '../../api/request-class.js'

/** Paths that count the tokens of a prompt: of Claude, of OpenAI, and of servers of open models. */
const COUNTS = /^\/(?:messages\/count_tokens|responses\/input_tokens|tokenize|detokenize)$/

/** Whether limits do not apply to a request: it counts tokens, or asks which models there are. */
export function isExempt(method: string, path: string): boolean {
  if (COUNTS.test(path)) return true
  if (classifyRequest(method, path) === 'models') return isRead(method) || path.startsWith('/api/')
  return !isRead(method) && findModelCall(path) === 'count'
}
