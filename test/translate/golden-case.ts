import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BodyApi, ConversationApi } from '../../src/api/apis.js'
import { findTraits } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import {
  createResponseFacts,
  filterResponseHeaders,
  type ResponseFacts,
} from '../../src/http/response-headers.js'
import { applyEdits, createModelEdits, createUsageEdit } from '../../src/json/edits.js'
import { sortEdits } from '../../src/json/object-edits.js'
import { peekFields } from '../../src/json/peek.js'
import type { ConversationRequest, ShownThinking } from '../../src/translate/conversation-request.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import { detectBodyApi } from '../../src/translate/request/detect-api.js'
import { chainTranslations } from '../../src/translate/response/chain.js'
import { hasUsageField, UsageStripper } from '../../src/translate/response/strip-usage.js'
import type { CreateTranslation, Translation } from '../../src/translate/translation.js'

/** The sources, as the build copies no data files. */
const ROOT = fileURLToPath(new URL('../../../test/translate/golden/', import.meta.url))

/** What `case.json` says. The README in `golden/` explains each field. */
export interface Setup {
  readonly title: string
  readonly path: string
  readonly target?: 'native' | ConversationApi
  readonly traits?: Partial<ModelTraits>
  readonly reads?: BodyApi
  readonly isCursor?: boolean
  readonly showThinking?: ShownThinking
  readonly effort?: string
  readonly upstreamModel?: string
  readonly requestUsage?: boolean
  readonly status?: number
  readonly contentType?: string
  readonly ending?: 'complete' | 'cut' | 'too long'
}

/** One folder of `golden/`. */
export interface GoldenCase {
  readonly name: string
  readonly setup: Setup
  readonly request: Buffer
  readonly upstreamResponse: Buffer
}

/** A request body as it leaves, and how a response to it is translated. */
export interface Attempt {
  readonly path: string
  readonly body: Buffer
  readonly translate: CreateTranslation | null
}

export type Side = 'upstream-request' | 'client-response'

export function readCases(): GoldenCase[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readCase(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readCase(name: string): GoldenCase {
  const setup = JSON.parse(readFileSync(`${ROOT}${name}/case.json`, 'utf8')) as Setup
  const response = ['sse', 'json'].map((kind) => `${ROOT}${name}/upstream-response.${kind}`).find(existsSync)
  if (response === undefined) throw new Error(`golden/${name} has no upstream response`)
  return {
    name,
    setup,
    request: readFileSync(`${ROOT}${name}/request.json`),
    upstreamResponse: readFileSync(response),
  }
}

/** Does what the server does with a body: detects its API and prepares it for any target. */
export function planRequest({ setup, request }: GoldenCase): ConversationRequest {
  const { reads = 'chat', isCursor = true, showThinking = 'reasoning_content', effort = null } = setup
  return prepareConversation(isCursor ? detectBodyApi(request) : reads, request, {
    reads,
    isCursor,
    model: peekFields(request).model?.value ?? null,
    modelName: null,
    effort,
    showThinking,
    thoughts: null,
  })
}

/** Does what happens for each attempt: all edits are applied, and how responses are translated is decided. */
export function attempt({ setup }: GoldenCase, conversation: ConversationRequest): Attempt {
  const { target = 'native', traits, upstreamModel = null, requestUsage = false } = setup
  const known = findTraits({ model: null, upstream: null, preset: null, rules: [] })
  const outbound = conversation.requestFor({
    api: target === 'native' ? conversation.api : target,
    traits: { ...known.traits, ...traits },
    model: upstreamModel,
    upstream: 'up',
  })
  const usageEdit = requestUsage && !outbound.foreign ? createUsageEdit(outbound.peeked) : null
  const modelEdits = upstreamModel === null ? [] : createModelEdits(outbound.peeked, upstreamModel)
  const edits = [...outbound.edits, ...modelEdits, ...(usageEdit === null ? [] : [usageEdit])]
  return {
    path: outbound.path + (outbound.query ?? ''),
    body: Buffer.concat(applyEdits(outbound.pieces, sortEdits(edits))),
    translate: usageEdit === null ? outbound.translate : withUsageStripped(outbound.translate),
  }
}

function withUsageStripped(translate: CreateTranslation | null): CreateTranslation {
  const strip: CreateTranslation = (status, facts) =>
    hasUsageField(status, facts) ? new UsageStripper() : null
  return translate === null ? strip : chainTranslations(strip, translate)
}

function factsOf(setup: Setup): ResponseFacts {
  const facts = createResponseFacts()
  const type = setup.contentType ?? 'text/event-stream'
  filterResponseHeaders(type === '' ? [] : ['content-type', type], facts)
  return facts
}

function createTranslation(setup: Setup, translate: CreateTranslation | null): Translation | null {
  return translate?.(setup.status ?? 200, factsOf(setup)) ?? null
}

/** The client's response may be a stream where the upstream's is not. */
export function isStreamForClient(setup: Setup, translate: CreateTranslation | null): boolean {
  const makes = createTranslation(setup, translate)?.makes ?? null
  return makes === null ? factsOf(setup).eventStream : makes === 'stream'
}

/**
 * All that the client gets when the upstream's response comes in these chunks.
 * @param ending how the response ends; by default as the case says
 */
export function respond(
  { setup }: GoldenCase,
  translate: CreateTranslation | null,
  chunks: readonly Buffer[],
  ending: Setup['ending'] = setup.ending,
): Buffer {
  return withFixedStamps(() => {
    const translation = createTranslation(setup, translate)
    if (translation === null) return Buffer.concat(chunks)
    // Copied, as a translation may return a view of bytes that it reuses.
    const parts: Buffer[] = chunks.map((chunk) => Buffer.from(translation.push(Buffer.from(chunk))))
    if (ending === 'cut') parts.push(translation.breakOff())
    else if (ending === 'too long') parts.push(translation.abort(TOO_LONG))
    else parts.push(translation.end())
    return Buffer.concat(parts)
  })
}

const TOO_LONG =
  '{"error":{"message":"too long","type":"server_error","param":null,"code":"answer_too_long"}}'

/** The only two things that differ from run to run: the time, and ids of chats and calls that the upstream did not name. */
function withFixedStamps(run: () => Buffer): Buffer {
  const { now } = Date
  Date.now = () => 1_750_000_000_000
  try {
    const text = run().toString('latin1')
    const named = text
      .replaceAll(/"chatcmpl-[0-9a-f]{24}"/g, '"chatcmpl-RANDOM"')
      .replaceAll(/"call_[0-9a-f]{12}_(\d+)"/g, '"call_RANDOM_$1"')
    return Buffer.from(named, 'latin1')
  } finally {
    Date.now = now
  }
}

/** What the golden files say; null if there is no such file. */
export function readGolden(name: string, side: Side, file: GoldenFile): string | null {
  const path = `${ROOT}${name}/${side}${file.suffix}`
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

export function writeGolden(name: string, side: Side, file: GoldenFile): void {
  for (const each of listGolden(name, side)) rmSync(`${ROOT}${name}/${each}`)
  writeFileSync(`${ROOT}${name}/${side}${file.suffix}`, file.text)
}

/** The files that stand for one side of a case: there must be one. */
export function listGolden(name: string, side: Side): string[] {
  return readdirSync(`${ROOT}${name}`).filter((file) => file.startsWith(`${side}.`))
}

export interface GoldenFile {
  readonly suffix: '.sse' | '.json' | '.compact.json'
  readonly text: string
}

/**
 * Bytes as a file that is readable in a diff, and that still says every byte: JSON on one line is written on
 * many lines, and its name then ends in `.compact.json`; all else is written as it is.
 */
export function goldenFile(bytes: Buffer, isStream: boolean): GoldenFile {
  const text = bytes.toString()
  if (isStream) return { suffix: '.sse', text }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { suffix: '.json', text }
  }
  if (JSON.stringify(value) !== text) return { suffix: '.json', text }
  return { suffix: '.compact.json', text: `${JSON.stringify(value, null, 2)}\n` }
}
