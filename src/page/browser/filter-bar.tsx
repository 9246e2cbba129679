import { useEffect, useRef, useState } from 'preact/hooks'
import { DIMENSIONS, type Dimension, RANGES, type TotalsTable } from '../shapes.js'
import { useApi } from './asking.js'
import { usePage } from './page-context.js'
import { addFilter, DEFAULT_RANGE, isMoving, removeFilter, type View } from './place.js'

/** Views that show a range of time, and those that can be filtered. */
const WITH_RANGE: readonly View[] = ['latency', 'caches', 'upstreams', 'refusals']
const WITH_FILTERS: readonly View[] = ['latency', 'spend', 'caches', 'requests', 'upstreams', 'refusals']

const RANGE_NAMES: Readonly<Record<string, string>> = {
  '5m': 'last 5 minutes',
  '30m': 'last 30 minutes',
  '2h': 'last 2 hours',
  '12h': 'last 12 hours',
  '48h': 'last 48 hours',
  '7d': 'last 7 days',
  '30d': 'last 30 days',
  '90d': 'last 90 days',
}

/** Range and filters of the view; both are in the URL. */
export function FilterBar() {
  const { place } = usePage()
  if (!WITH_FILTERS.includes(place.view) || place.request !== null) return null
  return (
    <section class="filters" aria-label="Range and filters">
      {WITH_RANGE.includes(place.view) && <RangeChoice />}
      <Chips />
      <AddFilter />
    </section>
  )
}

function RangeChoice() {
  const { place, go, times } = usePage()
  const [from = 0, to = 0] = isMoving(place.range) ? [] : place.range.split('-').map(Number)
  return (
    <>
      <label>
        <span class="unseen">Range</span>
        <select value={place.range} onChange={(event) => go({ range: event.currentTarget.value })}>
          {RANGES.map((range) => (
            <option key={range} value={range}>
              {RANGE_NAMES[range]}
            </option>
          ))}
          {!isMoving(place.range) && (
            <option value={place.range}>{`${times.formatMoment(from)} to ${times.formatMoment(to)}`}</option>
          )}
        </select>
      </label>
      {!isMoving(place.range) && (
        <button type="button" onClick={() => go({ range: DEFAULT_RANGE })}>
          Back to now
        </button>
      )}
    </>
  )
}

function Chips() {
  const { place, go } = usePage()
  return (
    <>
      {DIMENSIONS.flatMap((dimension) =>
        (place.filters[dimension] ?? []).map((name) => (
          <span key={`${dimension} ${name}`} class="chip">
            <span class="chip-name">
              {dimension}: <b>{name}</b>
            </span>
            <button
              type="button"
              aria-label={`Remove the filter ${dimension} ${name}`}
              onClick={() => go({ filters: removeFilter(place.filters, dimension, name) })}
            >
              ×
            </button>
          </span>
        )),
      )}
    </>
  )
}

function AddFilter() {
  const { place, go, session } = usePage()
  const [dimension, setDimension] = useState<Dimension | null>(null)
  const [name, setName] = useState('')
  const field = useRef<HTMLInputElement>(null)
  const known = useApi<TotalsTable>(dimension === null ? null : `/api/totals?range=90d&by=${dimension}`, 0)
  useEffect(() => {
    if (dimension !== null) field.current?.focus()
  }, [dimension])
  const choices =
    session.role === 'operator'
      ? DIMENSIONS
      : DIMENSIONS.filter((each) => ['model', 'upstream', 'end'].includes(each))
  const submit = (event: Event): void => {
    event.preventDefault()
    if (dimension === null || name === '') return
    go({ filters: addFilter(place.filters, dimension, name) })
    setDimension(null)
    setName('')
  }
  return (
    <form class="add-filter" onSubmit={submit}>
      <label>
        <span class="unseen">Filter by</span>
        <select
          value={dimension ?? ''}
          onChange={(event) =>
            setDimension(choices.find((each) => each === event.currentTarget.value) ?? null)
          }
        >
          <option value="">Filter by …</option>
          {choices.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      {dimension !== null && (
        <>
          <label>
            <span class="unseen">{`Name of the ${dimension}`}</span>
            <input
              ref={field}
              list="known-names"
              value={name}
              placeholder={`name of the ${dimension}`}
              autocomplete="off"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
          <datalist id="known-names">
            {(known.data?.rows ?? []).map((row) => (
              <option key={row.name} value={row.name} />
            ))}
          </datalist>
          <button type="submit">Filter</button>
        </>
      )}
    </form>
  )
}
