import { createHash } from 'node:crypto'
import { COMMA, OPEN_BRACKET } from '../../json/bytes.js'
import { equalsText, findMember, findOnly, parseOutline, type Value, WHOLE } from '../../json/outline.js'
import { skipSpace } from '../../json/scanner.js'
import { parseRequestOutline } from './request-outline.js'

/**
 * A hash of the first thing that the user has said: a chat that grows keeps it, and another chat has another one. The
 * system prompt is not in it, as it is the same in many chats.
 */
export function hashBeginning(body: Buffer): string {
  const request = parseRequestOutline(body)
  const turns = findMember(request, 'messages') ?? findMember(request, 'input')
  const first = turns === null ? null : findFirstOfUser(body, turns)
  return first === null
    ? ''
    : createHash('sha256').update(body.subarray(first.start, first.end)).digest('base64')
}

const TURN = findOnly({ role: WHOLE, content: WHOLE })

/** The content of the user's first message; the whole input if it is a text; null if there is none. */
function findFirstOfUser(body: Buffer, turns: Value): Value | null {
  if (body[turns.start] !== OPEN_BRACKET) return turns
  let at = turns.start + 1
  for (let n = 0; n < MOST_TURNS; n++) {
    const turn = parseOutline(body, TURN, at)
    if (turn === null) return null
    if (equalsText(body, findMember(turn, 'role'), 'user')) return findMember(turn, 'content')
    at = skipSpace(body, turn.end)
    if (body[at] !== COMMA) return null
    at++
  }
  return null
}

/** The user's first message comes behind the system's, which are few. */
const MOST_TURNS = 100
