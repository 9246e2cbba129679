import { createHash } from 'node:crypto'
import type { ModelTraits } from '../../api/model-traits.js'

/** Makes ids of tool calls that a target takes. */
export interface CallIds {
  /** The same id always gets the same one, in all turns and requests, so that a result still refers to its call. */
  idFor(id: string): string
}

/**
 * An id that the target takes stays as it is; any other becomes a hash of it. The client knows its own ids alone: it
 * sends them again in the next turn, and they get the same hash.
 *
 * Sources: Responses allows 64 characters ("Expected a string with maximum length 64"), Messages
 * `^[a-zA-Z0-9_-]+$`, Mistral exactly nine of `a-z`, `A-Z`, `0-9` ("Tool call id has to be defined, with length 9").
 * @param longest OpenAI's chat completions take 40 characters
 */
export function createCallIds(kind: ModelTraits['callIds'], longest = 64): CallIds {
  const known = new Map<string, string>()
  const isNine = kind === 'nine'
  const isValid = isNine ? NINE : ANY
  return {
    idFor(id) {
      if (isValid.test(id) && id.length <= longest) return id
      let made = known.get(id)
      if (made === undefined) {
        made = isNine ? hashToNine(id) : hashToAny(id, longest)
        known.set(id, made)
      }
      return made
    },
  }
}

/**
 * The ids that a target of chat completions takes. Most vendors take any that are not too long, whatever letters they
 * have, and some want their own form back (Kimi: `functions.read:0`).
 */
export function createChatCallIds(kind: ModelTraits['callIds']): CallIds {
  const ids = createCallIds(kind, LONGEST_CHAT_CALL_ID)
  if (kind === 'nine') return ids
  return { idFor: (id) => (id !== '' && id.length <= LONGEST_CHAT_CALL_ID ? id : ids.idFor(id)) }
}

/** OpenAI's chat completions refuse longer ids of calls; all other APIs take these, too. */
export const LONGEST_CHAT_CALL_ID = 40

const ANY = /^[A-Za-z0-9_-]+$/
const NINE = /^[A-Za-z0-9]{9}$/

function hashToAny(id: string, longest: number): string {
  const hash = createHash('sha256').update(id).digest('hex')
  return `call_${hash.slice(0, Math.min(40, longest - 'call_'.length))}`
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Nine of 62 letters are 53 bits: of chats with ten thousand calls, one in 270 million has two calls with one id. */
function hashToNine(id: string): string {
  const digest = createHash('sha256').update(id).digest()
  let made = ''
  for (let n = 0; n < 9; n++) made += LETTERS[digest.readUInt16BE(2 * n) % LETTERS.length]
  return made
}
