import type { KeyRecord } from '../access/key-lines.js'
import type { JsonObject } from '../json/values.js'
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
  const findOwn = async (id: string): Promise<JsonObject | null> => {
    const record = await requests.find(id)
    if (record?.key !== key.id) return null
    // Another key of the team, which made the stored object that was read.
    const { maker_key: _, ...own } = record
    return own
  }
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
      async list({ before = null, filter = {}, ...options }) {
        // Else an id of others would tell where in the list it is.
        const from = before === null || (await findOwn(before)) === null ? null : before
        return requests.list({ ...options, before: from, filter: narrow(filter) })
      },
      find: findOwn,
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
