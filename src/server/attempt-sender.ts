import { isDeepStrictEqual } from 'node:util'
import { type ConversationApi, speaksApi } from '../api/apis.js'
import { mayHoldLinks } from '../api/link-fields.js'
import { isGeneration } from '../api/request-target.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { removeHeader } from '../http/flat-headers.js'
import { applyEdits } from '../json/edits.js'
import { findEvery, findMember, parseOutline } from '../json/outline.js'
import type { BodyUpload } from '../lib/body-upload.js'
import type { Log } from '../observe/log.js'
import type { Attempt } from '../relay/attempt.js'
import type { Target } from '../routing/route.js'
import type { ConversationRequest, OutboundRequest } from '../translate/conversation-request.js'
import { type Correction, formatConfigLine } from '../translate/corrections/correction.js'
import type { LearnedTraits } from '../translate/corrections/learned-traits.js'
import { readCorrection } from '../translate/corrections/read-correction.js'
import { adaptHeaders, adaptMessages, adaptResponse, readBetas } from '../upstream/cloud-messages.js'
import { LinkedResponse } from '../upstream/linked-response.js'
import { RelayLinks } from '../upstream/relay-links.js'
import type { Upstream } from '../upstream/upstream.js'
import { buildUpstreamRequest, type ClientRequest, type Destination } from '../upstream/upstream-request.js'
import type { TargetTraits } from './target-traits.js'

/** Sends attempts: the request as it came, with what its target needs changed. */
export class AttemptSender {
  private readonly passthrough: boolean
  private readonly publicUrl: string | null
  private readonly traits: TargetTraits
  private readonly learned: LearnedTraits
  private readonly log: Pick<Log, 'warn'>

  constructor(config: Config, traits: TargetTraits, learned: LearnedTraits, log: Pick<Log, 'warn'>) {
    this.passthrough = config.keys.mode === 'passthrough'
    this.publicUrl = config.publicUrl
    this.traits = traits
    this.learned = learned
    this.log = log
  }

  readonly send = (exchange: Exchange, attempt: Attempt): void => {
    const { method, path, query, deployment, model } = exchange.request
    const { body, req } = exchange
    const { target } = attempt
    const conversation = body?.conversation ?? null
    const outbound = conversation === null ? null : this.fit(conversation, attempt, model)
    if (outbound !== null) exchange.setDroppedFields(outbound.dropped)
    const request = {
      method,
      path: outbound?.path ?? path,
      query: outbound?.query ?? query,
      rawHeaders: req.rawHeaders,
      found: outbound?.peeked ?? body?.peeked ?? null,
      deployment,
      outbound,
    }
    const { upstream, key } = target
    const destination = { upstream, key, model: target.model ?? conversation?.modelName ?? null }
    if (body !== null && upstream.adaptsMessages(request.path)) {
      if (this.sendAdapted(attempt, outbound?.pieces ?? body.decoded ?? body.pieces, request, destination))
        return
    }
    const {
      path: address,
      headers,
      edits,
      translate,
    } = buildUpstreamRequest(request, destination, this.passthrough)
    attempt.translate = translate
    let sent: Buffer | BodyUpload | null = null
    if (body !== null) {
      // An encoded body passes as it came, unless a value has to change: then its text is sent.
      const text = body.decoded !== null && edits.length > 0 ? body.decoded : null
      if (body.decoded !== null && (text ?? outbound) !== null) removeHeader(headers, 'content-encoding')
      const pieces = applyEdits(outbound?.pieces ?? text ?? body.pieces, edits)
      if (!body.isComplete)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = body.send(pieces)
      if (!Buffer.isBuffer(sent)) attempt.upload = sent
    }
    const links = new RelayLinks(target.upstream, req, this.publicUrl, !isGeneration(path))
    attempt.links = links
    const handler = mayHoldLinks(method, path) ? new LinkedResponse(attempt, links) : attempt
    attempt.connection = target.upstream.dispatch(
      { method, path: address, headers, body: sent },
      handler,
      attempt.reuse,
    )
  }

  /**
   * Sends a request of Messages in the form that a cloud has for it.
   * @param pieces of the body, which is complete and not encoded
   * @returns false if it cannot be put into that form: then it goes as it is, and the upstream refuses it
   */
  private sendAdapted(
    attempt: Attempt,
    pieces: readonly Buffer[],
    request: ClientRequest,
    destination: Destination,
  ): boolean {
    const { upstream } = destination
    const { messages } = upstream
    const { path, rawHeaders, found, deployment, outbound } = request
    const model = destination.model ?? deployment ?? found?.model?.value ?? null
    if (messages === null || model === null) return false
    const edited = applyEdits(pieces, outbound?.edits ?? [])
    const adapted = adaptMessages(messages, path, model, edited, readBetas(rawHeaders))
    if (adapted === null) return false
    const inCloud = { ...request, path: adapted.path, query: '', found: null }
    const built = buildUpstreamRequest(inCloud, destination, this.passthrough)
    adaptHeaders(messages, built.headers)
    removeHeader(built.headers, 'content-encoding')
    attempt.translate = adaptResponse(messages, built.translate)
    attempt.connection = upstream.dispatch(
      { method: request.method, path: built.path, headers: built.headers, body: adapted.body },
      attempt,
      attempt.reuse,
    )
    return true
  }

  /**
   * Learns from a refusal what the model at a target does not take.
   * @param error the body of the response
   * @returns whether the request is to be sent once more: what it is sent with now differs
   */
  correct(exchange: Exchange, attempt: Attempt, status: number, error: Buffer): boolean {
    const conversation = exchange.body?.conversation ?? null
    const { fitted, target } = attempt
    const asked = conversation?.modelName ?? exchange.request.model
    const model = target.model ?? asked
    if (conversation === null || fitted === null || model === null) return false
    const { pieces, edits } = conversation.requestFor({ ...fitted, model, upstream: target.upstream.name })
    const body = Buffer.concat(applyEdits(pieces, edits))
    const sent = { api: fitted.api, fields: listFields(body, fitted.api) }
    const correction = readCorrection(status, error, sent)
    if (correction === null || !isPossible(correction, target)) return false
    const isNew = this.learned.learn(target.place, model, correction)
    if (isNew) this.warn(target, model)
    const { api, traits } = this.traits.find(target, conversation.api, asked)
    // A field that must not be dropped is refused from now on; the client of this request gets the upstream's words.
    if (api === null || conversation.findRefusal(api) !== null) return false
    // Another request may have learned it in the meantime.
    return isNew || !isDeepStrictEqual(traits, fitted.traits)
  }

  private warn(target: Target<Upstream>, model: string): void {
    const { name } = target.upstream
    const before = this.traits.findUncorrected(target, model)
    const line = formatConfigLine(name, model, before, this.learned.list(target.place, model))
    this.log.warn(
      { target: target.name, model },
      `${target.name} refused a request, which was changed and sent once more. To change such requests from the start, ahead of other entries that match add to modelTraits: ${line}`,
    )
  }

  private fit(conversation: ConversationRequest, attempt: Attempt, asked: string | null): OutboundRequest {
    const { target } = attempt
    const model = conversation.modelName ?? asked
    const { api, traits } = this.traits.find(target, conversation.api, model)
    attempt.fitted = { api: api ?? conversation.api, traits }
    return conversation.requestFor({
      api: attempt.fitted.api,
      traits,
      model: target.model ?? model,
      upstream: target.upstream.name,
    })
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

/** A model may be asked by another API only where its upstream has that. */
function isPossible(correction: Correction, { upstream }: Target<Upstream>): boolean {
  return correction.kind !== 'api' || speaksApi(upstream.apis, correction.to)
}

/** Objects of which an upstream may refuse a part. */
const PARTED = ['reasoning', 'text', 'stream_options', 'thinking', 'output_config', 'thinkingConfig']
const PARTS = Object.fromEntries(PARTED.map((key) => [key, findEvery()]))
const MEMBERS = findEvery({ ...PARTS, generationConfig: findEvery(PARTS) })

/** The names of the members of a body, as `SentRequest` has them. */
function listFields(body: Buffer, api: ConversationApi): string[] {
  const outline = parseOutline(body, MEMBERS)
  const inner = api === 'gemini' ? findMember(outline, 'generationConfig') : null
  const members = [...(outline?.members ?? []), ...(inner?.members ?? [])]
  const parts = members
    .filter(({ key }) => PARTED.includes(key))
    .flatMap(({ key, value }) => (value.members ?? []).map((part) => `${key}.${part.key}`))
  return [...members.map(({ key }) => key), ...parts]
}
