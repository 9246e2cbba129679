import type { ComponentChildren } from 'preact'

export interface Tile {
  readonly label: string
  readonly value: string
  /** Below the number: what it is made of, or compared with. */
  readonly note?: string
  /** Something that a reader has to see. */
  readonly isBad?: boolean
}

/** The most important numbers, side by side. */
export function Tiles({ label, tiles }: { readonly label: string; readonly tiles: readonly Tile[] }) {
  return (
    <dl class="tiles" aria-label={label}>
      {tiles.map(({ label, value, note, isBad = false }) => (
        <div key={label} class={isBad ? 'tile bad' : 'tile'}>
          <dt>{label}</dt>
          <dd>
            <span class="figure">{value}</span>
            <span class="note">{note ?? ''}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** A part of a view with a title. */
export function Card({
  title,
  controls,
  children,
}: {
  title: string
  controls?: ComponentChildren
  children: ComponentChildren
}) {
  return (
    <section class="card">
      <header class="card-head">
        <h2>{title}</h2>
        {controls}
      </header>
      {children}
    </section>
  )
}
