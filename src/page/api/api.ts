import type { Log } from '../../observe/log.js'
import { formatLargeCsv, formatLargeJson } from '../large-body.js'
import { narrowSource } from '../narrowed-source.js'
import { ApiRefusal, createCsv, createJson, type PageResponse } from '../page-response.js'
import { Parameters } from '../parameters.js'
import type { PageSession } from '../sessions.js'
import type { PageSource } from '../source.js'
import type { Action, ApiCall, View } from './endpoint.js'
import { addKey, revokeKey, rotateKey } from './key-actions.js'
import { keysView } from './keys.js'
import { limitsView } from './limits.js'
import { refusalsView } from './refusals.js'
import { requestsView, requestView } from './requests.js'
import { seriesView } from './series.js'
import { sessionView } from './session.js'
import { spendView } from './spend.js'
import { totalsView } from './totals.js'
import { upstreamsView } from './upstreams.js'

/** A view, whatever it shows. */
interface ServedView {
  readonly hasTable: boolean
  answer(call: ApiCall): Promise<PageResponse>
  /** @param name of the file */
  answerAsTable(call: ApiCall, name: string): Promise<PageResponse>
}

function serveView<T>(view: View<T>): ServedView {
  return {
    hasTable: view.toTable !== null,
    answer: async (call) => createJson(await formatLargeJson(await view.read(call))),
    async answerAsTable(call, name) {
      const { columns, rows } = view.toTable?.(await view.read(call), call) ?? { columns: [], rows: [] }
      return createCsv(await formatLargeCsv(columns, rows), `thinwire-${name}.csv`)
    },
  }
}

/** What can be looked at. `*` stands for an id. */
const VIEWS: Readonly<Record<string, ServedView>> = {
  session: serveView(sessionView),
  series: serveView(seriesView),
  totals: serveView(totalsView),
  spend: serveView(spendView),
  limits: serveView(limitsView),
  refusals: serveView(refusalsView),
  upstreams: serveView(upstreamsView),
  requests: serveView(requestsView),
  'requests/*': serveView(requestView),
  keys: serveView(keysView),
}

/** What operators can do. */
const ACTIONS: Readonly<Record<string, Action>> = {
  keys: addKey,
  'keys/*/rotate': rotateKey,
  'keys/*/revoke': revokeKey,
}

/** What a path of the API leads to. */
export interface ApiPlace {
  readonly view: ServedView | null
  readonly action: Action | null
  readonly isCsv: boolean
  /** Name of the endpoint, for the file of a table. */
  readonly name: string
  readonly id: string
}

/** @param path behind `/api/` @returns null if there is nothing */
export function findPlace(path: string): ApiPlace | null {
  const isCsv = path.endsWith('.csv')
  const parts = (isCsv ? path.slice(0, -4) : path).split('/')
  if (parts.length > 3) return null
  const [name = '', id = ''] = parts
  const pattern = parts.map((part, i) => (i === 1 ? '*' : part)).join('/')
  const view = (Object.hasOwn(VIEWS, pattern) ? VIEWS[pattern] : null) ?? null
  const action = (Object.hasOwn(ACTIONS, pattern) ? ACTIONS[pattern] : null) ?? null
  if (isCsv) return view?.hasTable !== true ? null : { view, action: null, isCsv, name, id }
  return view === null && action === null ? null : { view, action, isCsv, name, id }
}

/** Methods that are answered at a place; none where nothing is. */
export function listMethods(place: ApiPlace | null): readonly string[] {
  if (place === null) return []
  const { view, action } = place
  return [...(view === null ? [] : ['GET', 'HEAD']), ...(action === null ? [] : ['POST'])]
}

/** Somebody's request for the API. */
export interface ApiAsker {
  /** To act, and not to look. */
  readonly isAction: boolean
  readonly session: PageSession
  readonly source: PageSource
  readonly query: URLSearchParams
  readonly address: string | null
  readonly log: Pick<Log, 'info' | 'warn'>
}

/**
 * Answers for somebody who has signed in. This is the one place where roles decide: a holder's views get a source that
 * has nothing but what is of the own key, and actions are the operators'.
 * @param body parsed JSON of a POST; else null
 * @throws {ApiRefusal}
 */
export async function answerApi(
  place: ApiPlace | null,
  asker: ApiAsker,
  body: unknown,
): Promise<PageResponse> {
  if (place === null) throw new ApiRefusal(404, 'not_found', 'there is nothing at this path')
  const { isAction, session, source, query, address, log } = asker
  const { key } = session
  if (isAction && key !== null)
    throw new ApiRefusal(403, 'forbidden', 'only operators may do this: sign in with the token of this page')
  const call: ApiCall = {
    session,
    source: key === null ? source : narrowSource(source, key),
    parameters: new Parameters(query),
    id: place.id,
    body,
    now: Date.now(),
    address,
    log,
  }
  if (isAction) {
    const value = (await place.action?.act(call)) ?? null
    return value === null
      ? { status: 204, headers: { 'cache-control': 'no-store' }, body: '' }
      : createJson(JSON.stringify(value))
  }
  const { view, isCsv, name } = place
  if (view === null) throw new ApiRefusal(404, 'not_found', 'there is nothing at this path')
  return isCsv ? view.answerAsTable(call, name) : view.answer(call)
}
