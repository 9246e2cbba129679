import type { ComponentChildren, FunctionComponent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { callApi } from './api.js'
import { announceSignOut, useAway } from './asking.js'
import { FilterBar } from './filter-bar.js'
import { formatAgo } from './format.js'
import { usePage } from './page-context.js'
import { Link } from './parts/link.js'
import { VIEWS, type View } from './place.js'
import { CachesView } from './views/caches.js'
import { KeysView } from './views/keys.js'
import { LatencyView } from './views/latency.js'
import { NowView } from './views/now.js'
import { RefusalsView } from './views/refusals.js'
import { RequestsView } from './views/requests.js'
import { SpendView } from './views/spend.js'
import { UpstreamsView } from './views/upstreams.js'

interface ViewKind {
  readonly title: string
  readonly view: FunctionComponent
  /** Not for the holder of a key: it is about others. */
  readonly isOperators?: boolean
}

const KINDS: Readonly<Record<View, ViewKind>> = {
  now: { title: 'Now', view: NowView },
  latency: { title: 'Latency', view: LatencyView },
  spend: { title: 'Spend', view: SpendView },
  caches: { title: 'Caches', view: CachesView },
  requests: { title: 'Requests', view: RequestsView },
  upstreams: { title: 'Upstreams', view: UpstreamsView, isOperators: true },
  keys: { title: 'Keys', view: KeysView },
  refusals: { title: 'Refusals', view: RefusalsView },
}

/** What is around each view: who looks, where one can go, and what is filtered. */
export function Shell() {
  const { place, session } = usePage()
  const views = VIEWS.filter((view) => session.role === 'operator' || KINDS[view].isOperators !== true)
  const shown = views.includes(place.view) ? place.view : 'now'
  const { title, view: ViewOf } = KINDS[shown]
  const index = views.indexOf(shown)
  const list = useRef<HTMLUListElement>(null)
  // Where there is little width, the list scrolls.
  useEffect(() => {
    list.current
      ?.querySelector(`li:nth-child(${index + 1})`)
      ?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [index])
  return (
    <>
      <a class="skip" href="#main">
        Skip to the view
      </a>
      <Head />
      <nav aria-label="Views">
        <ul ref={list}>
          {views.map((view) => (
            <li key={view}>
              <Link to={{ view, request: null, by: null }} isCurrent={view === shown}>
                {KINDS[view].title}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Main title={title} shown={`${shown} ${place.request ?? ''}`}>
        <ViewOf key={shown} />
      </Main>
    </>
  )
}

function Head() {
  const { session, times, readClock } = usePage()
  const signOut = async (): Promise<void> => {
    await callApi('DELETE', '/api/session').catch(() => {})
    // The next one at this screen begins anew.
    window.history.pushState(null, '', '/')
    announceSignOut()
  }
  return (
    <header class="top">
      <span class="brand">Thinwire</span>
      <span class="about">
        {session.version}
        {session.workers > 1 ? `, ${session.workers} workers` : ''}, started{' '}
        {formatAgo(session.startedAt, readClock())}
      </span>
      {session.isDemo && <span class="demo">demo</span>}
      <span class="about zone">Times in {times.zone}</span>
      <span class="who">
        {session.key === null ? 'operator' : `${session.key.owner} (${session.key.id})`}
      </span>
      <button type="button" class="plain" onClick={() => void signOut()}>
        Sign out
      </button>
    </header>
  )
}

interface MainProps {
  readonly title: string
  /** Changes with the view: then its title gets the focus, so that a screen reader reads on from there. */
  readonly shown: string
  readonly children: ComponentChildren
}

function Main({ title, shown, children }: MainProps) {
  const { session, times } = usePage()
  const isAway = useAway()
  const heading = useRef<HTMLHeadingElement>(null)
  const before = useRef(shown)
  useEffect(() => {
    document.title = `${title} · Thinwire`
    if (before.current !== shown) heading.current?.focus({ preventScroll: true })
    before.current = shown
  }, [title, shown])
  return (
    <main id="main" tabIndex={-1}>
      <div class="view-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <FilterBar />
      </div>
      {isAway && (
        <p class="problem" role="alert">
          The relay does not answer: trying again. What is shown is from before.
        </p>
      )}
      {session.completeFrom !== null && (
        <p class="remark" role="status">
          Earlier records are still being read: sums are complete from{' '}
          {times.formatMoment(session.completeFrom)} on.
        </p>
      )}
      {children}
    </main>
  )
}
