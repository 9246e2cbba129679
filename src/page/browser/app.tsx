import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Session } from '../shapes.js'
import { ApiProblem, callApi } from './api.js'
import { announceAway, isNoAnswer, onSignOut } from './asking.js'
import { Times } from './format.js'
import { Page, type PageContext } from './page-context.js'
import { linkTo, type Place, readPlace } from './place.js'
import { Shell } from './shell.js'
import { SignIn } from './sign-in.js'

/** How often the session is asked again: while earlier records are read, to say how far that is. */
const SESSION_MS = 60_000
const READING_MS = 5_000

interface Known {
  readonly session: Session
  /** Of the clock of the relay against that of this machine. */
  readonly aheadMs: number
}

type State = 'asking' | 'signed-out' | Known | { readonly problem: string }

/** The page: asks who is there, and shows the place that the URL names. */
export function App() {
  const [state, setState] = useState<State>('asking')
  const known = typeof state === 'object' && 'session' in state ? state : null

  // By the moment of the question: by that of a slow answer the clock would be late, and what has just happened at the
  // relay, such as the end of a key, would be in its future.
  const take = (session: Session, askedAt: number): void =>
    setState({ session, aheadMs: session.now - askedAt })
  const ask = async (): Promise<void> => {
    try {
      const askedAt = Date.now()
      take(await callApi<Session>('GET', '/api/session'), askedAt)
      announceAway(false)
    } catch (error) {
      announceAway(isNoAnswer(error))
      if (error instanceof ApiProblem && error.status === 401) setState('signed-out')
      // A relay that is away for a moment takes nothing from the page.
      else
        setState((before) =>
          typeof before === 'object' && 'session' in before
            ? before
            : { problem: String((error as Error).message) },
        )
    }
  }
  useEffect(() => {
    void ask()
    return onSignOut(() => setState('signed-out'))
  }, [])

  const isReading = known !== null && known.session.completeFrom !== null
  const isWaiting = typeof state === 'object' && 'problem' in state
  useEffect(() => {
    if (known === null && !isWaiting) return
    const timer = window.setInterval(
      () => {
        if (!document.hidden) void ask()
      },
      isReading || isWaiting ? READING_MS : SESSION_MS,
    )
    return () => window.clearInterval(timer)
  }, [known === null, isReading, isWaiting])

  if (state === 'asking') return null
  if (state === 'signed-out') return <SignIn onSession={take} />
  if ('problem' in state) {
    return (
      <main class="sign-in">
        <p class="problem" role="alert">
          {state.problem} Trying again.
        </p>
      </main>
    )
  }
  return <PageAt {...state} />
}

function PageAt({ session, aheadMs }: Known) {
  const [place, setPlace] = useState<Place>(() => readPlace(window.location.search))
  useEffect(() => {
    const onPop = (): void => setPlace(readPlace(window.location.search))
    window.addEventListener('popstate', onPop)
    return () => window.removeEventListener('popstate', onPop)
  }, [])
  const times = useMemo(() => new Times(session.zone), [session.zone])
  const page: PageContext = {
    session,
    times,
    place,
    go: (change) => {
      const next = { ...place, ...change }
      window.history.pushState(null, '', linkTo(next))
      setPlace(next)
      if (next.view !== place.view || next.request !== place.request) window.scrollTo(0, 0)
    },
    readClock: () => Date.now() + aheadMs,
  }
  return (
    <Page.Provider value={page}>
      <Shell />
    </Page.Provider>
  )
}
