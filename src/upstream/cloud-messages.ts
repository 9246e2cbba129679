import { formatModelPath } from '../api/model-paths.js'
import type { PresetName } from '../api/presets.js'
import { type FlatHeaderList, findHeader, removeHeader } from '../http/flat-headers.js'
import { applyEdits } from '../json/edits.js'
import { isLikeModel } from '../json/model-copies.js'
import { ObjectEdits } from '../json/object-edits.js'
import { findEvery, parseOutline } from '../json/outline.js'
import { joinChunks } from '../lib/bytes.js'
import { createAwsUnwrapping, createErrorConversion } from '../translate/response/unwrap-aws.js'
import type { CreateTranslation } from '../translate/translation.js'

/** What a cloud has in place of Anthropic's own Messages API. */
export interface CloudMessages {
  readonly api: 'bedrock' | 'vertex'
  /** Sent as `anthropic_version`, which is required. */
  readonly version: string
}

const BY_PRESET: Partial<Record<PresetName, CloudMessages>> = {
  bedrock: { api: 'bedrock', version: 'bedrock-2023-05-31' },
  vertex: { api: 'vertex', version: 'vertex-2023-10-16' },
}

/** @returns null if the upstream is no cloud, so that requests of Messages go to it as they are */
export function findCloudMessages(preset: PresetName | null): CloudMessages | null {
  return preset === null ? null : (BY_PRESET[preset] ?? null)
}

const MESSAGES = '/messages'
const COUNT_TOKENS = '/messages/count_tokens'

/** Whether a request on this path has to be adapted. Bedrock counts tokens in another form. */
export function isAdapted({ api }: CloudMessages, path: string): boolean {
  return path === MESSAGES || (path === COUNT_TOKENS && api === 'vertex')
}

/** A request of Messages in the form of a cloud. */
export interface AdaptedMessages {
  readonly path: string
  readonly body: Buffer
}

/** Members of the request that decide. */
const MEMBERS = findEvery()

/**
 * Puts a request of Messages into the form of a cloud: the model goes from the body to the path, and the version and
 * the betas go into the body. All other bytes stay, so that the prompt cache still matches.
 * @param path of Messages
 * @param model the name at the upstream
 * @param betas value of the client's header `anthropic-beta`
 * @returns null if the body is no object, so that the upstream may refuse it
 */
export function adaptMessages(
  { api, version }: CloudMessages,
  path: string,
  model: string,
  pieces: readonly Buffer[],
  betas: string | undefined,
): AdaptedMessages | null {
  const body = joinChunks(pieces)
  const outline = parseOutline(body, MEMBERS)
  if (outline === null || outline.members === null) return null
  const streamed = outline.find('stream')
  const isStream = streamed !== null && body.toString('latin1', streamed.start, streamed.end) === 'true'
  const isCount = path === COUNT_TOKENS
  const edits = new ObjectEdits(outline)
  const publisher = 'anthropic'
  const name = JSON.stringify(model)
  const named = outline.members.filter(({ keyStart, keyEnd }) => isLikeModel(body.subarray(keyStart, keyEnd)))
  // Each place where a server may read it, as the path names it now.
  for (const { key, value } of named) isCount ? edits.replace(value, name) : edits.cut(key)
  if (isCount && named.length === 0) edits.add('model', name)
  if (outline.find('anthropic_version') === null) edits.add('anthropic_version', JSON.stringify(version))
  let method = isStream ? 'streamRawPredict' : 'rawPredict'
  if (api === 'bedrock') {
    edits.cut('stream')
    const known = listBetas(betas)
    if (known.length > 0 && outline.find('anthropic_beta') === null)
      edits.add('anthropic_beta', JSON.stringify(known))
    method = isStream ? 'invoke-with-response-stream' : 'invoke'
  }
  return {
    path: formatModelPath(api, publisher, isCount ? 'count-tokens' : model, method),
    body: joinChunks(applyEdits([body], edits.edits())),
  }
}

/** The betas that Bedrock knows; any other gives a 400 (Amazon Bedrock user guide, Anthropic Claude Messages API). */
const BEDROCK_BETAS =
  /^(?:computer-use|token-efficient-tools|interleaved-thinking|output-128k|dev-full-thinking|context-1m|context-management|effort|tool-search-tool|tool-examples)-\d{4}-\d{2}-\d{2}$/

function listBetas(betas: string | undefined): string[] {
  return (betas ?? '')
    .split(',')
    .map((beta) => beta.trim())
    .filter((beta) => BEDROCK_BETAS.test(beta))
}

/** Removes the headers that are in the body now. */
export function adaptHeaders({ api }: CloudMessages, headers: FlatHeaderList): void {
  removeHeader(headers, 'anthropic-version')
  if (api === 'bedrock') removeHeader(headers, 'anthropic-beta')
}

/** The betas that a client asks for. */
export function readBetas(headers: readonly string[]): string | undefined {
  return findHeader(headers, 'anthropic-beta')
}

/**
 * Gives the response the form of Messages again: Bedrock's binary stream becomes an event stream, and errors get the
 * form of Anthropic's.
 * @param translate of the response behind that; null for none
 */
export function adaptResponse(
  { api }: CloudMessages,
  translate: CreateTranslation | null,
): CreateTranslation {
  const inner = translate ?? createErrorConversion
  return api === 'bedrock' ? createAwsUnwrapping(inner) : inner
}
