import { refuse } from '../parameters.js'
import type { Refusals } from '../shapes.js'
import type { ApiCall, View } from './endpoint.js'

/** What was refused, and by what. */
export const refusalsView: View<Refusals> = {
  async read({ source, parameters, now }) {
    const query = { range: parameters.readRange(now), filter: parameters.readFilter() }
    readTable(parameters)
    parameters.end()
    const codes = await source.sums.refusalCodes(query)
    const rules = [...source.limits.refusals].map(({ rule, kind, count, observed }) => ({
      rule,
      reason: kind,
      count,
      observed,
    }))
    return { rules: rules.sort((one, other) => other.count - one.count), codes }
  },
  toTable({ rules, codes }, { parameters }) {
    return readTable(parameters) === 'rules'
      ? {
          columns: ['rule', 'reason', 'count', 'observed'],
          rows: rules.map(({ rule, reason, count, observed }) => [rule, reason, count, observed]),
        }
      : { columns: ['code', 'count'], rows: codes.map(({ code, count }) => [code, count]) }
  },
}

function readTable(parameters: ApiCall['parameters']): 'codes' | 'rules' {
  const text = parameters.readText('table') ?? 'codes'
  if (text !== 'codes' && text !== 'rules') throw refuse('table', 'must be codes or rules')
  return text
}
