import type { Span } from '../../shapes.js'
import { formatUs } from '../format.js'

/** What the phases of a request are, in a word or two more than their names. */
const MEANINGS: Readonly<Record<string, string>> = {
  admit: 'key and limits',
  read: 'reads the body',
  plan: 'chooses a target',
  cache: 'looks into the cache',
  attempt: 'sends the request',
  respond: 'writes the response',
  upload: 'client sends the body',
  upstream: 'waits for the first byte',
  tokens: 'first to last token',
}

const LEAST_WIDTH = 0.4

/** The phases of a request below each other, each where it began and as long as it was. */
export function Waterfall({ spans }: { readonly spans: readonly Span[] }) {
  const end = spans.reduce((most, { startUs, lengthUs }) => Math.max(most, startUs + lengthUs), 1)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label="Phases of the request" tabIndex={0}>
      <table class="waterfall">
        <caption class="unseen">Phases of the request, in the order of time</caption>
        <thead>
          <tr>
            <th scope="col" class="text">
              Phase
            </th>
            <th scope="col" class="number">
              Start
            </th>
            <th scope="col" class="number">
              Length
            </th>
            <th scope="col" class="text lane">
              <span class="key ours">relay</span> <span class="key theirs">upstream and client</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {spans.map(({ name, startUs, lengthUs, isOurs }) => (
            <tr key={`${name}-${startUs}`}>
              <th scope="row" class="text">
                {name} <span class="meaning">{MEANINGS[name] ?? ''}</span>
              </th>
              <td class="number">{formatUs(startUs)}</td>
              <td class="number">{formatUs(lengthUs)}</td>
              <td class="lane">
                <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                  <rect
                    class={isOurs ? 'ours' : 'theirs'}
                    x={Math.min(100 - LEAST_WIDTH, (startUs / end) * 100)}
                    y="1"
                    width={Math.max(LEAST_WIDTH, (lengthUs / end) * 100)}
                    height="8"
                  />
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
