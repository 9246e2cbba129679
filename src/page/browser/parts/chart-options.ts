import uPlot from 'uplot'
import type { ChartLine } from './chart.js'

export interface Palette {
  readonly lines: readonly string[]
  readonly text: string
  readonly grid: string
}

/** The colours of the style sheet, which knows light and dark. */
export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element)
  const read = (name: string): string => style.getPropertyValue(name).trim()
  return {
    lines: Array.from({ length: 8 }, (_, i) => read(`--c${i}`)),
    text: read('--muted'),
    grid: read('--line'),
  }
}

export interface ChartSettings {
  readonly width: number
  readonly height: number
  readonly lines: readonly ChartLine[]
  readonly palette: Palette
  readonly zone: string
  readonly format: (value: number | null) => string
  readonly onCursor: (index: number | null) => void
  readonly onZoom: (from: number, to: number) => void
}

const FONT = '11px system-ui, sans-serif'

export function buildOptions(settings: ChartSettings): uPlot.Options {
  const { width, height, lines, palette, zone, format, onCursor, onZoom } = settings
  const axis = {
    stroke: palette.text,
    font: FONT,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
  }
  return {
    width,
    height,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    scales: { y: { range: (_, __, most) => rangeOf(most) } },
    axes: [
      { ...axis, size: 26, space: 58, values: (plot, splits) => formatTimes(plot, splits, zone) },
      {
        ...axis,
        size: 58,
        gap: 4,
        space: 34,
        values: (_, splits) => splits.map((value) => (value === 0 ? '0' : format(value))),
      },
    ],
    series: [{}, ...lines.map((line) => toSeries(line, palette))],
    cursor: {
      y: false,
      points: { size: 6 },
      // A drag chooses a part of the time; the page then goes there.
      drag: { x: true, y: false, setScale: false },
    },
    hooks: {
      setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select
          if (width < 8) return
          onZoom(plot.posToVal(left, 'x') * 1_000, plot.posToVal(left + width, 'x') * 1_000)
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
        },
      ],
    },
  }
}

function toSeries(
  { label, colour, isDashed = false, isFilled = false }: ChartLine,
  palette: Palette,
): uPlot.Series {
  const stroke = palette.lines[colour % palette.lines.length] ?? '#888'
  return {
    label,
    stroke,
    width: isDashed ? 1.25 : 1.75,
    points: { show: (plot, index) => isAlone(plot, index) },
    ...(isDashed ? { dash: [4, 3] } : {}),
    ...(isFilled ? { fill: `${stroke}22` } : {}),
  }
}

/** Few values have no line between them, so they are points. */
function isAlone(plot: uPlot, index: number): boolean {
  const values = plot.data[index] as readonly (number | null)[]
  return values.length < 120 && values.filter((value) => value !== null).length < values.length / 3
}

/** From zero to a little above the most; a line of zeros lies at the foot. */
function rangeOf(most: number | null): [number, number] {
  return [0, most === null || most <= 0 ? 1 : most * 1.08]
}

function formatTimes(plot: uPlot, splits: readonly number[], zone: string): string[] {
  const [from = 0, to = 0] = [plot.scales.x?.min, plot.scales.x?.max]
  const seconds = to - from
  const options: Intl.DateTimeFormatOptions =
    seconds > 3 * 86_400
      ? { day: 'numeric', month: 'short' }
      : seconds > 86_400
        ? { day: 'numeric', hour: '2-digit', minute: '2-digit' }
        : seconds > 900
          ? { hour: '2-digit', minute: '2-digit' }
          : { hour: '2-digit', minute: '2-digit', second: '2-digit' }
  const text = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options })
  return splits.map((at) => text.format(at * 1_000))
}
