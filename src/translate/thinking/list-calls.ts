import { findMember, isEmptyValue, readText, type Value } from '../../json/outline.js'
import { parseRequestOutline } from '../request/request-outline.js'
import type { CallPlace } from './thought-memory.js'

/** Lists what may be calls in the conversation of a body of any of the three APIs: all that have an id like one. */
export function listCalls(body: Buffer): CallPlace[] {
  const request = parseRequestOutline(body)
  const messages = findMember(request, 'messages')
  const list =
    isEmptyValue(body, messages) || messages?.elements?.length === 0 ? findMember(request, 'input') : messages
  const calls: CallPlace[] = []
  for (const [message, item] of list?.elements?.entries() ?? []) {
    const add = (value: Value | null): void => {
      const id = readText(body, value)
      if (id !== null) calls.push({ id, message })
    }
    // The results of calls have one, too; of these, nothing is found.
    add(findMember(item, 'call_id'))
    for (const key of ['tool_calls', 'content'])
      for (const part of findMember(item, key)?.elements ?? []) add(findMember(part, 'id'))
  }
  return calls
}
