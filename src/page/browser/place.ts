import { DIMENSIONS, type Dimension, RANGES, type Range } from '../shapes.js'

/** The views in the order of their use. */
export const VIEWS = [
  'now',
  'latency',
  'spend',
  'caches',
  'requests',
  'upstreams',
  'keys',
  'refusals',
] as const

export type View = (typeof VIEWS)[number]

export type Filters = Readonly<Partial<Record<Dimension, readonly string[]>>>

/** What the page shows. All of it is in the query of the URL, so that a link and the back button work. */
export interface Place {
  readonly view: View
  /** One of `RANGES`, or `FROM-TO` in epoch milliseconds. */
  readonly range: string
  readonly filters: Filters
  /** What a table is grouped by; null: by what the view prefers. */
  readonly by: string | null
  /** Id of the request that is shown whole. */
  readonly request: string | null
  /** Failed requests alone. */
  readonly errors: boolean
}

export const DEFAULT_RANGE = '2h'

const CUSTOM_RANGE = /^\d{12,14}-\d{12,14}$/

/** More filters than anybody sets by hand are not taken from a URL. */
const MAX_FILTERS = 20

/** Reads the query of a URL. What is not known in it is left out. */
export function readPlace(search: string): Place {
  const query = new URLSearchParams(search)
  const view = VIEWS.find((each) => each === query.get('view')) ?? 'now'
  const range = query.get('range') ?? ''
  const filters: Partial<Record<Dimension, readonly string[]>> = {}
  for (const dimension of DIMENSIONS) {
    const names = [...new Set(query.getAll(dimension))].slice(0, MAX_FILTERS)
    if (names.length > 0) filters[dimension] = names
  }
  return {
    view,
    range: isRange(range) ? range : DEFAULT_RANGE,
    filters,
    by: query.get('by'),
    request: query.get('request'),
    errors: query.get('errors') === '1',
  }
}

export function isRange(range: string): boolean {
  return (RANGES as readonly string[]).includes(range) || CUSTOM_RANGE.test(range)
}

/** Whether a range is a length of time up to now, and not one between two moments. */
export function isMoving(range: string): range is Range {
  return (RANGES as readonly string[]).includes(range)
}

/**
 * The link to a place. It always begins with `?`, and names are encoded in it: so it stays on this page, whatever a
 * client has chosen as a name.
 */
export function linkTo(place: Place): string {
  const query = new URLSearchParams({ view: place.view })
  if (place.range !== DEFAULT_RANGE) query.set('range', place.range)
  appendFilters(query, place.filters)
  if (place.by !== null) query.set('by', place.by)
  if (place.errors) query.set('errors', '1')
  if (place.request !== null) query.set('request', place.request)
  return `?${query}`
}

/** The query of the API for a place. */
export function queryOf(
  place: Pick<Place, 'range' | 'filters'>,
  more: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ range: place.range, ...more })
  appendFilters(query, place.filters)
  return `?${query}`
}

function appendFilters(query: URLSearchParams, filters: Filters): void {
  for (const dimension of DIMENSIONS) {
    for (const name of filters[dimension] ?? []) query.append(dimension, name)
  }
}

export function addFilter(filters: Filters, dimension: Dimension, name: string): Filters {
  const names = filters[dimension] ?? []
  return names.includes(name) ? filters : { ...filters, [dimension]: [...names, name] }
}

export function removeFilter(filters: Filters, dimension: Dimension, name: string): Filters {
  const { [dimension]: names = [], ...others } = filters
  const rest = names.filter((each) => each !== name)
  return rest.length === 0 ? others : { ...others, [dimension]: rest }
}
