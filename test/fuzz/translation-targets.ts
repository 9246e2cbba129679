import * as assert from 'uvu/assert'
import type { BodyApi, ConversationApi } from '../../src/api/apis.js'
import { USUAL_TRAITS } from '../../src/api/model-table.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { applyEdits } from '../../src/json/edits.js'
import { parseJson } from '../../src/json/values.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import { detectBodyApi } from '../../src/translate/request/detect-api.js'
import { createResponseTranslation, type RequestContext } from '../../src/translate/response/select.js'
import type { Translation } from '../../src/translate/translation.js'
import { cut } from './mutate.js'

const READS: readonly BodyApi[] = ['chat', 'responses', 'messages']
const TARGETS: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']

/** Whatever a body is, each target gets a request: valid JSON if the client sent that, and the same each time. */
export function takeConversation(input: Buffer): void {
  const isJson = isUtf8(input) && parseJson(input.toString().replace(/^\ufeff/, '')) !== undefined
  const bodies = buildBodies(input)
  for (const [i, again] of buildBodies(input).entries())
    assert.ok(again.equals(bodies[i] as Buffer), `request ${i} differs the second time`)
  if (!isJson) return
  for (const [i, body] of bodies.entries())
    if (parseJson(body.toString().replace(/^\ufeff/, '')) === undefined)
      throw new Error(`request ${i} is no JSON: ${body}`)
}

/** What each target that can be sent the conversation gets: on Cursor's route, then on the other one. */
export function buildBodies(input: Buffer): Buffer[] {
  const detected = detectBodyApi(input)
  const bodies: Buffer[] = []
  for (const isCursor of [true, false]) {
    const request = prepareConversation(detected, input, {
      reads: isCursor ? 'chat' : detected,
      isCursor,
      model: 'm',
      modelName: null,
      effort: null,
      showThinking: 'reasoning_content',
      thoughts: null,
    })
    for (const api of TARGETS)
      if (request.findRefusal(api) === null)
        bodies.push(build(request.requestFor({ api, traits: USUAL_TRAITS, model: 'other', upstream: 'up' })))
  }
  return bodies
}

function build({
  pieces,
  edits,
}: {
  pieces: readonly Buffer[]
  edits: Parameters<typeof applyEdits>[1]
}): Buffer {
  return Buffer.concat(applyEdits(pieces, edits))
}

/** Whatever a response is, its translation ends, and says the same however the response was cut. */
export function takeTranslatedStream(input: Buffer): void {
  for (const from of TARGETS)
    for (const reads of READS) {
      const facts = { ...createResponseFacts(), eventStream: true, untyped: false }
      const context: RequestContext = {
        from,
        reads,
        stream: true,
        includeUsage: true,
        model: 'm',
        hasTools: true,
      }
      const create = (): Translation | null => createResponseTranslation(context)(200, facts)
      const whole = create()
      const inPieces = create()
      if (whole === null || inPieces === null) continue
      assert.is(normalize(run(inPieces, cut(input))), normalize(run(whole, [input])), `${from} to ${reads}`)
    }
}

function run(translation: Translation, pieces: readonly Buffer[]): string {
  const parts: Buffer[] = []
  // What is returned may be a view of bytes that the next call reuses.
  for (const piece of pieces) parts.push(Buffer.from(translation.push(piece)))
  parts.push(Buffer.from(translation.end()))
  return Buffer.concat(parts).toString('latin1')
}

/** Ids and times of a written response are made up for each one. */
function normalize(text: string): string {
  return text
    .replace(/"(created|created_at|completed_at)":\d+/g, '"$1":0')
    .replace(/\b(chatcmpl|resp|msg|fc|ctc|rs|call|toolu|item)[-_][0-9A-Za-z]{8,}/g, '$1_x')
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString()).equals(bytes)
}
