import { ApiRefusal } from '../page-response.js'
import { REQUEST_ID } from '../parameters.js'
import type { RequestDetail, RequestList } from '../shapes.js'
import type { View } from './endpoint.js'
import { toDetail, toRow } from './request-rows.js'
import { toIso, toUsd } from './table-columns.js'

const MOST_ROWS = 200
const USUAL_ROWS = 50

/** The last requests. */
export const requestsView: View<RequestList> = {
  async read({ source, parameters }) {
    const limit = parameters.readCount('limit', MOST_ROWS, USUAL_ROWS)
    const before = parameters.readRequestId('before')
    const onlyErrors = parameters.readFlag('errors')
    const filter = parameters.readFilter()
    parameters.end()
    const records = await source.requests.list({ limit, before, filter, onlyErrors })
    const requests = records.map(toRow)
    return { requests, kept: Math.max(source.requests.size, requests.length) }
  },
  toTable({ requests }) {
    return {
      columns: [
        ...['id', 'at', 'key', 'owner', 'model', 'upstream', 'status', 'end', 'cache', 'stream'],
        ...[
          'prompt_tokens',
          'completion_tokens',
          'cost_usd',
          'first_token_ms',
          'total_ms',
          'added_us',
          'is_error',
        ],
      ],
      rows: requests.map((row) => [
        ...[
          row.id,
          toIso(row.at),
          row.key,
          row.owner,
          row.model,
          row.upstream,
          row.status,
          row.end,
          row.cache,
        ],
        ...[row.stream, row.promptTokens, row.completionTokens],
        row.costNano === null ? null : toUsd(row.costNano),
        ...[row.firstTokenMs, row.totalMs, row.addedUs, row.isError],
      ]),
    }
  },
}

/** One request, with its phases. */
export const requestView: View<RequestDetail> = {
  async read({ source, parameters, id }) {
    parameters.end()
    const record = REQUEST_ID.test(id) ? await source.requests.find(id) : null
    if (record === null)
      throw new ApiRefusal(404, 'unknown_request', 'this request is not among those that are kept')
    return toDetail(record)
  },
  toTable: null,
}
