import { usePage } from '../page-context.js'
import { Link } from '../parts/link.js'

/** In place of charts where nothing was counted. */
export function Nothing() {
  const { place } = usePage()
  const isFiltered = Object.keys(place.filters).length > 0
  return (
    <div class="card nothing">
      <p>No requests in this range{isFiltered ? ' with these filters' : ''}.</p>
      <p>
        {isFiltered && <Link to={{ filters: {} }}>Remove the filters</Link>}{' '}
        {place.range !== '90d' && <Link to={{ range: '90d' }}>Look at 90 days</Link>}
      </p>
    </div>
  )
}
