import type { Conversation } from '../conversation.js'
import { readRequest } from './request.js'

/**
 * Reads a body of chat completions (API reference, Create chat completion), legacy functions included, and with what
 * other APIs have if it is mixed in.
 * @returns null if the body is no JSON object
 */
export function readChat(body: Buffer): Conversation | null {
  return readRequest(body, DIALECT)
}

const DIALECT = {
  list: 'messages',
  limits: ['max_completion_tokens', 'max_tokens', 'max_output_tokens'],
} as const
