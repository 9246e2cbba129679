import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { usePage } from '../page-context.js'
import { buildOptions, readPalette } from './chart-options.js'
import { Table } from './table.js'

export interface ChartLine {
  readonly label: string
  /** One for each moment; null: unknown. */
  readonly values: readonly (number | null)[]
  /** Index into the palette. */
  readonly colour: number
  /** Told apart by more than colour: that of a p99, or of what else is secondary. */
  readonly isDashed?: boolean
  /** The area below it is filled lightly. */
  readonly isFilled?: boolean
}

export interface ChartProps {
  readonly title: string
  /** What the reader should know of it. */
  readonly note?: string
  /** Epoch milliseconds, rising. */
  readonly moments: readonly number[]
  readonly lines: readonly ChartLine[]
  readonly format: (value: number | null) => string
  /** Called with the part that was drawn over; in milliseconds. */
  readonly onZoom?: (from: number, to: number) => void
  readonly height?: number
}

/** Lines over time. The same numbers are below it as a table, for who cannot see it or wants them exactly. */
export function Chart({ title, note, moments, lines, format, onZoom, height = 168 }: ChartProps) {
  const { times } = usePage()
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const latest = useRef({ format, onZoom })
  latest.current = { format, onZoom }
  const [at, setAt] = useState<number | null>(null)
  const scheme = useScheme()
  const shape = lines
    .map(({ label, colour, isDashed, isFilled }) => [label, colour, isDashed, isFilled].join())
    .join('|')

  useEffect(() => {
    const box = place.current
    if (box === null) return
    const options = buildOptions({
      width: box.clientWidth,
      height,
      lines,
      palette: readPalette(box),
      zone: times.zone,
      format: (value) => latest.current.format(value),
      onCursor: setAt,
      onZoom: (from, to) => latest.current.onZoom?.(from, to),
    })
    const made = new uPlot(options, toData(moments, lines), box)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }))
    observer.observe(box)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [shape, scheme, times.zone, height])

  useEffect(() => {
    plot.current?.setData(toData(moments, lines))
  }, [moments, lines])

  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <Legend
          lines={lines}
          at={at}
          format={format}
          moment={at === null ? null : times.formatClock(moments[at] ?? null)}
        />
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}. ${describe(lines, format)}`} />
      {note !== undefined && <p class="note">{note}</p>}
      <Values title={title} moments={moments} lines={lines} format={format} />
    </figure>
  )
}

function toData(moments: readonly number[], lines: readonly ChartLine[]): uPlot.AlignedData {
  return [moments.map((at) => at / 1_000), ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
}

interface LegendProps {
  readonly lines: readonly ChartLine[]
  /** Index of the moment below the cursor. */
  readonly at: number | null
  readonly moment: string | null
  readonly format: ChartProps['format']
}

function Legend({ lines, at, moment, format }: LegendProps) {
  return (
    <p class="legend">
      {lines.map(({ label, values, colour, isDashed = false }) => (
        <span key={label} class="key">
          <svg
            viewBox="0 0 18 8"
            aria-hidden="true"
            class={`line c${colour % 8}${isDashed ? ' dashed' : ''}`}
          >
            <line x1="0" x2="18" y1="4" y2="4" />
          </svg>
          <span class="key-name">{label}</span>{' '}
          <b>{format(at === null ? lastOf(values) : (values[at] ?? null))}</b>
        </span>
      ))}
      <span class="at">{moment ?? ''}</span>
    </p>
  )
}

function Values({
  title,
  moments,
  lines,
  format,
}: Pick<ChartProps, 'title' | 'moments' | 'lines' | 'format'>) {
  const { times } = usePage()
  const [isOpen, setOpen] = useState(false)
  return (
    <details class="values" onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary aria-label={`Values of ${title} as a table`}>Values</summary>
      {isOpen && (
        <Table
          caption={`${title}: values`}
          columns={[
            {
              name: 'time',
              label: 'Time',
              isText: true,
              value: (i) => moments[i] ?? null,
              cell: (i) => times.formatMoment(moments[i] ?? null),
            },
            ...lines.map(({ label, values }, n) => ({
              name: `line${n}`,
              label,
              value: (i: number) => values[i] ?? null,
              cell: (i: number) => format(values[i] ?? null),
            })),
          ]}
          rows={moments.map((_, i) => i).filter((i) => lines.some(({ values }) => (values[i] ?? 0) !== 0))}
          keyOf={String}
          empty="No values in this range"
        />
      )}
    </details>
  )
}

function lastOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null
}

function describe(lines: readonly ChartLine[], format: ChartProps['format']): string {
  return lines
    .map(({ label, values }) => {
      const known = values.filter((value) => value !== null)
      if (known.length === 0) return `${label}: no values`
      return `${label}: last ${format(lastOf(values))}, most ${format(known.reduce((a, b) => Math.max(a, b), 0))}`
    })
    .join('; ')
}

/** Light or dark: a canvas does not follow the style sheet by itself. */
function useScheme(): boolean {
  const [isDark, setDark] = useState(() => window.matchMedia('(prefers-color-scheme: dark)').matches)
  useEffect(() => {
    const query = window.matchMedia('(prefers-color-scheme: dark)')
    const onChange = (): void => setDark(query.matches)
    query.addEventListener('change', onChange)
    return () => query.removeEventListener('change', onChange)
  }, [])
  return isDark
}
