import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { BodyUpload } from '../exchange/request-body-handle.js'
import { applyEdits } from '../json/edits.js'
import type { Log } from '../observe/log.js'
import type { Attempt } from '../relay/attempt.js'
import type { Target } from '../routing/route.js'
import type { ConversationRequest, OutboundRequest } from '../translate/conversation-request.js'
import { formatConfigLine, type LearnedTraits } from '../translate/corrections/learned-traits.js'
import { readCorrection } from '../translate/corrections/read-correction.js'
import type { Upstream } from '../upstream/upstream.js'
import { buildUpstreamRequest } from '../upstream/upstream-request.js'
import type { TargetTraits } from './target-traits.js'

/** Sends attempts: the request as it came, with what its target needs changed. */
export class AttemptSender {
  private readonly passthrough: boolean
  private readonly traits: TargetTraits
  private readonly learned: LearnedTraits
  private readonly log: Pick<Log, 'warn'>

  constructor(config: Config, traits: TargetTraits, learned: LearnedTraits, log: Pick<Log, 'warn'>) {
    this.passthrough = config.keys.mode === 'passthrough'
    this.traits = traits
    this.learned = learned
    this.log = log
  }

  readonly send = (exchange: Exchange, attempt: Attempt): void => {
    const { method, path, query, deployment, model } = exchange.request
    const { body, req } = exchange
    const { target } = attempt
    const conversation = body?.conversation ?? null
    const outbound = conversation === null ? null : this.fit(conversation, target, model)
    if (outbound !== null) exchange.setDroppedFields(outbound.dropped)
    const request = {
      ...{ method, path: outbound?.path ?? path, query: outbound?.query ?? query },
      ...{
        rawHeaders: req.rawHeaders,
        found: outbound?.peeked ?? body?.peeked ?? null,
        deployment,
        outbound,
      },
    }
    const destination = { upstream: target.upstream, model: target.model ?? conversation?.modelName ?? null }
    const {
      path: address,
      headers,
      edits,
      translate,
    } = buildUpstreamRequest(request, destination, this.passthrough)
    attempt.translate = translate
    let sent: Buffer | BodyUpload | null = null
    if (body !== null) {
      const pieces = applyEdits(outbound?.pieces ?? body.pieces, edits)
      if (!body.isComplete)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = body.send(pieces)
      if (!Buffer.isBuffer(sent)) attempt.upload = sent
    }
    target.upstream.dispatch({ method, path: address, headers, body: sent }, attempt)
  }

  /**
   * Learns from a refusal what the model at a target does not take.
   * @param error the body of the response
   * @returns whether the request is to be sent once more: what it is sent with now differs
   */
  correct(exchange: Exchange, { target }: Attempt, status: number, error: Buffer): boolean {
    const conversation = exchange.body?.conversation ?? null
    if (conversation === null) return false
    const asked = conversation.modelName ?? exchange.request.model
    const { api, traits } = this.traits.find(target, conversation.api, asked)
    if (api === null) return false
    const correction = readCorrection(status, error, { api, traits })
    if (correction === null) return false
    const model = target.model ?? asked
    if (!this.learned.learn(target.name, model, correction)) return false
    const line = formatConfigLine(model, target.upstream.name, correction)
    this.log.warn(
      { target: target.name, model },
      `${target.name} refused a request, which was changed and sent once more; to change it from the start, add to modelTraits: ${line}`,
    )
    return true
  }

  private fit(
    conversation: ConversationRequest,
    target: Target<Upstream>,
    asked: string | null,
  ): OutboundRequest {
    const model = conversation.modelName ?? asked
    const { api, traits } = this.traits.find(target, conversation.api, model)
    return conversation.requestFor({
      ...{ api: api ?? conversation.api, traits },
      ...{ model: target.model ?? model, upstream: target.upstream.name },
    })
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
