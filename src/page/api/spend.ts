import { refuse } from '../parameters.js'
import { SPEND_DIMENSIONS, type Spend } from '../shapes.js'
import type { ApiCall, View } from './endpoint.js'
import { toUsd } from './table-columns.js'

/** Money of today and of this month. */
export const spendView: View<Spend> = {
  read({ source, parameters }) {
    const filter = parameters.readFilter()
    readTable(parameters)
    parameters.end()
    return source.sums.spend(filter)
  },
  toTable({ by }, { parameters }) {
    const table = readTable(parameters)
    const dimensions = table === null ? SPEND_DIMENSIONS : [table]
    const rows = dimensions.flatMap((dimension) =>
      by[dimension].map(({ name, todayNano, monthNano, monthTokens, monthRequests }) => [
        dimension,
        name,
        toUsd(todayNano),
        toUsd(monthNano),
        monthTokens,
        monthRequests,
      ]),
    )
    return { columns: ['by', 'name', 'today_usd', 'month_usd', 'month_tokens', 'month_requests'], rows }
  },
}

/** Which of its tables is wanted; null: all, one below the other. */
function readTable(parameters: ApiCall['parameters']): (typeof SPEND_DIMENSIONS)[number] | null {
  const text = parameters.readText('by')
  if (text === null) return null
  const found = SPEND_DIMENSIONS.find((dimension) => dimension === text)
  if (found === undefined) throw refuse('by', `must be one of ${SPEND_DIMENSIONS.join(', ')}`)
  return found
}
