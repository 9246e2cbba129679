import { findModelCall, isRead, parseModelPath } from '../../api/model-paths.js'
import { classifyRequest } from '../../api/request-class.js'

/** Paths that count the tokens of a prompt: of Claude, of OpenAI, and of servers of open models. */
const COUNTS = /^\/(?:messages\/count_tokens|responses\/input_tokens|tokenize|detokenize)$/

/**
 * Paths that no server reads as another one. Behind a semicolon, or an encoded question mark, some read no further:
 * `/models/M:generateContent;x:countTokens` generates there.
 */
const PLAIN = /^(?:[\w.@:/-]|%3a|%2f)+$/i

/** Whether limits do not apply to a request: it counts tokens, or asks which models there are. */
export function isExempt(method: string, path: string): boolean {
  if (COUNTS.test(path)) return true
  if (classifyRequest(method, path) === 'models') return isRead(method) || path.startsWith('/api/')
  return !isRead(method) && findModelCall(path) === 'count' && PLAIN.test(path) && !namesMethods(path)
}

/** Whether the model in a path of Gemini's looks like a model and its method. Models of Bedrock have colons. */
function namesMethods(path: string): boolean {
  const parsed = parseModelPath(path)
  return parsed?.api === 'gemini' && parsed.model.includes(':')
}
