import { DIMENSIONS, type Dimension, type TotalsRow, type TotalsTable } from '../../shapes.js'
import { usePage } from '../page-context.js'
import { Choice } from '../parts/choice.js'
import { NameCell } from '../parts/name-cell.js'
import type { Column } from '../parts/table.js'

/** What the holder of a key can tell apart: all else is always the same. */
const OF_A_HOLDER: readonly string[] = ['model', 'upstream', 'end', 'tag']

/** What the tables of a view are grouped by: as the URL says, else by the first of these names. */
export function useBy(names: readonly string[]): Dimension {
  const { place } = usePage()
  const wanted = useNames(names).find((name) => name === place.by) ?? names[0]
  return DIMENSIONS.find((each) => each === wanted) ?? 'model'
}

function useNames(names: readonly string[]): readonly string[] {
  const { session } = usePage()
  return session.role === 'operator' ? names : names.filter((name) => OF_A_HOLDER.includes(name))
}

/** Chooses what a table is grouped by. */
export function ByChoice({ names, by }: { readonly names: readonly string[]; readonly by: string }) {
  const { go } = usePage()
  const shown = useNames(names)
  if (shown.length < 2) return null
  return <Choice label="Group by" names={shown} chosen={by} onChoose={(name) => go({ by: name })} />
}

/** The names of the groups of a table. */
export function groupColumn({ by, sum }: TotalsTable): Column<TotalsRow> {
  return {
    name: by,
    label: by[0]?.toUpperCase() + by.slice(1),
    isText: true,
    value: ({ name }) => name,
    cell: (row) => (row === sum ? 'total' : <NameCell dimension={by} name={row.name} />),
  }
}
