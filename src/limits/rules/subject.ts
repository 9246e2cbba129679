import { redactText } from '../../exchange/log-text.js'
import type { RequestFacts } from '../../exchange/request-facts.js'
import { formatPath } from '../../exchange/shown-path.js'
import type { RequestSummary } from '../../exchange/summary.js'
import type { Entry } from '../../ledger/read/entry.js'

/** What rules are matched against: of a request, or of its record in the ledger, with the same result. */
export interface LimitSubject {
  /** Id of the key; null in the modes without keys, as are its env, team and user. */
  readonly key: string | null
  readonly env: string | null
  readonly team: string | null
  readonly user: string | null
  /** By the name that the client sent; null if it named none. */
  readonly model: string | null
  /** As the ledger has it: `/v1/chat/completions`, `/cursor/v1/chat/completions`. */
  readonly route: string
  /** `project=a,ticket=b`; null for none. */
  readonly tags: string | null
}

/** How a user is named among all: two teams may have a user of the same name. Null without a key. */
export function nameUser({ team, user }: Pick<LimitSubject, 'team' | 'user'>): string | null {
  return user === null ? null : `${team}/${user}`
}

/** What rules are matched against, of a request that is open. */
export type LimitedRequest = Pick<RequestFacts, 'key' | 'model' | 'path' | 'isCursor' | 'tags'>

/** @param model that the request names */
export function describeRequest(request: LimitedRequest, model: string | null = request.model): LimitSubject {
  const { path, isCursor, tags } = request
  return describe(request, model, `${isCursor ? '/cursor' : ''}/v1${unquote(redactText(path), path)}`, tags)
}

/** The same of a request that is over. */
export function describeSummary(summary: RequestSummary): LimitSubject {
  const { request } = summary
  const route = formatPath(summary)
  return describe(request, request.model, unquote(route, route), request.tags)
}

/** The same of a record of the ledger. */
export function describeEntry({ key, env, team, user, model, route, tags }: Entry): LimitSubject {
  return { key, env, team, user, model, route: route ?? '', tags }
}

function describe(
  { key }: LimitedRequest,
  model: string | null,
  route: string,
  tags: string | null,
): LimitSubject {
  return {
    key: key?.id ?? null,
    env: key?.env ?? null,
    team: key?.team ?? null,
    user: key?.user ?? null,
    // The ledger has no other text of it.
    model: model === null ? null : unquote(redactText(model), model),
    route,
    tags: tags === null ? null : unquote(redactText(tags), tags),
  }
}

/** Reads the text between the quotes of a JSON string. @param plain the same where nothing is escaped */
function unquote(text: string, plain: string): string {
  if (text === plain && !text.includes('\\')) return plain
  return JSON.parse(`"${text}"`) as string
}
