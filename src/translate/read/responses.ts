import type { Conversation } from '../conversation.js'
import { readRequest } from './request.js'

/**
 * Reads a body of Responses (API reference, Create a model response), and with what other APIs have if it is mixed in.
 * @returns null if the body is no JSON object
 */
export function readResponses(body: Buffer): Conversation | null {
  return readRequest(body, DIALECT)
}

const DIALECT = {
  list: 'input',
  limits: ['max_output_tokens', 'max_completion_tokens', 'max_tokens'],
} as const
