import type { Config } from '../config/config.js'
import { redactText } from '../exchange/log-text.js'
import { peekFields } from '../json/peek.js'
import type { Target } from '../routing/route.js'
import type { PlanBody, PlanRequest } from '../server/plan.js'
import type { TargetTraits } from '../server/target-traits.js'
import type { ConversationRequest } from '../translate/conversation-request.js'
import { adaptMessages } from '../upstream/cloud-messages.js'
import type { Upstream } from '../upstream/upstream.js'
import { buildUpstreamRequest } from '../upstream/upstream-request.js'

/** One upstream with one model, where a request would go. */
export interface PlaceOutlook {
  readonly upstream: string
  /** Origin and path, without a query, which may hold a credential. */
  readonly url: string
  /** The model's name there. */
  readonly model: string | null
  /** The API by which it is asked, if the request is fitted; null if it goes as it came. */
  readonly api: string | null
  /** It is asked by another API than that of the request. */
  readonly translated: boolean
  /** Names of its keys; null if it has one credential or none. */
  readonly keys: readonly string[] | null
  /** How many requests it takes at one time; null for no limit. */
  readonly maxConcurrentRequests: number | null
}

/** What the targets of a request depend on. */
export interface PlaceContext {
  readonly request: PlanRequest
  readonly body: PlanBody | null
  readonly conversation: ConversationRequest | null
  readonly traits: TargetTraits
  readonly upstreams: Config['upstreams']
}

/** Tells where a request would go: each upstream and model once, with all of its keys. */
export function describePlaces(targets: readonly Target<Upstream>[], context: PlaceContext): PlaceOutlook[] {
  const places = [...new Set(targets.map(({ place }) => place))]
  return places.flatMap((place) => {
    const same = targets.filter((target) => target.place === place)
    const [target] = same
    if (target === undefined) return []
    const keys =
      target.keyName === null
        ? null
        : [...same].sort((one, other) => one.key - other.key).map(({ keyName }) => String(keyName))
    return { ...describePlace(target, context), keys }
  })
}

function describePlace(
  target: Target<Upstream>,
  { request, body, conversation, traits, upstreams }: PlaceContext,
): Omit<PlaceOutlook, 'keys'> {
  const { upstream } = target
  const settings = upstreams.find(({ name }) => name === upstream.name)
  const { method, deployment, query, rawHeaders } = request
  const asked = conversation?.modelName ?? request.model
  const model = target.model ?? asked
  const wants = conversation === null ? null : traits.find(target, conversation.api, asked)
  const api = wants?.api ?? conversation?.api ?? null
  const outbound =
    conversation === null || wants === null || api === null
      ? null
      : conversation.requestFor({ api, traits: wants.traits, model, upstream: upstream.name })
  const path = outbound?.path ?? request.path
  const pieces = outbound?.pieces ?? (body === null ? [] : [body.join()])
  const adapted =
    upstream.messages !== null && upstream.adaptsMessages(path) && model !== null
      ? adaptMessages(upstream.messages, path, model, pieces, undefined)
      : null
  const found = adapted === null && body !== null ? (outbound?.peeked ?? peekFields(body.join())) : null
  const sent = { method, path: adapted?.path ?? path, query, rawHeaders, found, deployment, outbound }
  const destination = { upstream, key: target.key, model: target.model ?? conversation?.modelName ?? null }
  // As if the client's own credential was sent, so that the address has none of ours.
  const address = buildUpstreamRequest(sent, destination, true).path
  return {
    upstream: upstream.name,
    url: upstream.origin + redactText(address.replace(/\?.*$/s, '')),
    model: model === null ? null : redactText(model),
    api,
    translated: conversation !== null && api !== conversation.reads,
    maxConcurrentRequests: settings?.maxConcurrentRequests ?? null,
  }
}
