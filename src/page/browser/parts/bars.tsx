/** A part of a whole as a bar; the number stands beside it as text. @param share from 0 to 1 */
export function ShareBar({
  share,
  tone = 'accent',
}: {
  readonly share: number
  readonly tone?: 'accent' | 'bad' | 'warn'
}) {
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="6" />
      <rect class="fill" width={Math.max(0, Math.min(1, share)) * 100} height="6" />
    </svg>
  )
}

export interface DayBar {
  /** `3 Jan`: what the bar is of. */
  readonly label: string
  readonly value: number
  /** The value as text. */
  readonly text: string
}

/** Bars side by side, such as of the days of a month. A screen reader gets them as a list. */
export function DayBars({ title, bars }: { readonly title: string; readonly bars: readonly DayBar[] }) {
  const most = bars.reduce<DayBar | null>((a, b) => (a === null || b.value > a.value ? b : a), null)
  const labelEvery = Math.max(1, Math.ceil(bars.length / 7))
  return (
    <figure class="day-bars">
      <figcaption>
        {most === null || most.value === 0 ? 'Nothing yet' : `Most: ${most.text} on ${most.label}`}
      </figcaption>
      <ol aria-label={title}>
        {bars.map(({ label, value, text }, i) => (
          <li key={label} title={`${label}: ${text}`}>
            <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true">
              <rect class="fill" x="1.2" width="7.6" {...placeBar(value, most?.value ?? 0)} />
            </svg>
            <span class="label" aria-hidden="true">
              {i % labelEvery === 0 ? label : ''}
            </span>
            <span class="unseen">{`${label}: ${text}`}</span>
          </li>
        ))}
      </ol>
    </figure>
  )
}

/** A little stays free above the highest. */
function placeBar(value: number, most: number): { readonly y: number; readonly height: number } {
  const height = most > 0 ? (96 * value) / most : 0
  return { y: 100 - height, height }
}
