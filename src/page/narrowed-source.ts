import type { KeyRecord } from '../access/key-lines.js'
import type { Filter, RollupQuery } from '../rollups/query.js'
import type { PageSource } from './source.js'

/**
 * What the holder of a key may see of a relay: what this key did, and what limits it. All that the API and the live
 * stream show a holder goes through here, so that no view can forget it.
 */
export function narrowSource(source: PageSource, key: KeyRecord): PageSource {
  const { facts, sums, requests, keys, limits } = source
  const own = [key.id]
  const narrow = (filter: Filter): Filter => ({ ...filter, key: own })
  const narrowQuery = ({ range, filter }: RollupQuery): RollupQuery => ({ range, filter: narrow(filter) })
  return {
    facts,
    sums: {
      zone: sums.zone,
      completeFrom: sums.completeFrom,
      series: (query, by) => sums.series(narrowQuery(query), by),
      totals: (query, by) => sums.totals(narrowQuery(query), by),
      spend: (filter) => sums.spend(narrow(filter)),
      refusalCodes: (query) => sums.refusalCodes(narrowQuery(query)),
      async keyMonths() {
        const month = (await sums.keyMonths()).get(key.id)
        return new Map(month === undefined ? [] : [[key.id, month]])
      },
      lastSeen: (id) => (id === key.id ? sums.lastSeen(id) : null),
      lastSecond: (filter) => sums.lastSecond(narrow(filter)),
    },
    requests: {
      // How much others ask for is theirs.
      size: 0,
      list: (options) => requests.list({ ...options, filter: narrow(options.filter ?? {}) }),
      async find(id) {
        const record = await requests.find(id)
        return record?.key === key.id ? record : null
      },
    },
    keys:
      keys === null
        ? null
        : {
            file: '',
            find: () => undefined,
            list: () => keys.list().filter(({ id }) => id === key.id),
            reload() {},
          },
    limits: {
      async *listStates() {
        yield await limits.readKey(key)
      },
      readKey: () => limits.readKey(key),
      refusals: [],
    },
    async look() {
      const { byKey } = await source.look({ all: false, keys: own })
      const mine = byKey[key.id]
      return { all: mine ?? null, byKey: mine === undefined ? {} : { [key.id]: mine }, targets: {} }
    },
  }
}
