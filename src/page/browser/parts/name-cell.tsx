import { type Dimension, OTHER } from '../../shapes.js'
import { usePage } from '../page-context.js'
import { addFilter } from '../place.js'
import { Link } from './link.js'

/** A name of a group: chosen, it filters everything by it. */
export function NameCell({
  dimension,
  name,
}: {
  readonly dimension: Dimension
  readonly name: string | null
}) {
  const { place } = usePage()
  if (name === null || name === '') return <span class="unknown">{nameOfNothing(dimension)}</span>
  if (name === OTHER || (place.filters[dimension]?.includes(name) ?? false))
    return <span class="name">{name}</span>
  return (
    <Link
      class="name"
      to={{ filters: addFilter(place.filters, dimension, name) }}
      title={`Only ${dimension} ${name}`}
    >
      {name}
    </Link>
  )
}

/** What is refused, and what the relay answers by itself, goes to no upstream; other names were not known. */
export function nameOfNothing(dimension: string): string {
  return dimension === 'upstream' ? 'none' : 'unknown'
}
