import { useEffect, useState } from 'preact/hooks'
import { ApiProblem, callApi } from './api.js'
import { isMoving } from './place.js'

/** What is known of an endpoint. While it is asked again, the last answer stays. */
export interface Answer<T> {
  readonly data: T | null
  /** Of the last try; null if it went well. */
  readonly problem: string | null
  /** The data are those of the place before: they are shown faded. */
  readonly isOld: boolean
}

const SIGNED_OUT = 'thinwire-signed-out'

/** Says that the session is over, so that the app asks for a sign-in. */
export function announceSignOut(): void {
  window.dispatchEvent(new Event(SIGNED_OUT))
}

export function onSignOut(listener: () => void): () => void {
  window.addEventListener(SIGNED_OUT, listener)
  return () => window.removeEventListener(SIGNED_OUT, listener)
}

/**
 * Asks an endpoint, and again from time to time while the tab is seen.
 * @param path null: nothing is asked
 * @param everyMs 0: only once
 * @param turn another number asks at once
 */
export function useApi<T>(path: string | null, everyMs: number, turn = 0): Answer<T> {
  const [known, setKnown] = useState<{ path: string | null; data: T | null; problem: string | null }>({
    path: null,
    data: null,
    problem: null,
  })
  useEffect(() => {
    if (path === null) return
    const aborter = new AbortController()
    let timer = 0
    let isDue = false
    const ask = async (): Promise<void> => {
      isDue = false
      try {
        const data = await callApi<T>('GET', path, null, aborter.signal)
        setKnown({ path, data, problem: null })
      } catch (error) {
        if (aborter.signal.aborted) return
        if (error instanceof ApiProblem && error.status === 401) announceSignOut()
        const problem = error instanceof Error ? error.message : String(error)
        setKnown((before) => ({ path, data: before.path === path ? before.data : null, problem }))
      }
      if (everyMs > 0 && !aborter.signal.aborted) timer = window.setTimeout(askIfSeen, everyMs)
    }
    const askIfSeen = (): void => {
      isDue = document.hidden
      if (!document.hidden) void ask()
    }
    const onSeen = (): void => {
      if (isDue && !document.hidden) void ask()
    }
    document.addEventListener('visibilitychange', onSeen)
    void ask()
    return () => {
      aborter.abort()
      window.clearTimeout(timer)
      document.removeEventListener('visibilitychange', onSeen)
    }
  }, [path, everyMs, turn])
  return { data: known.data, problem: known.problem, isOld: known.path !== path }
}

/** How often a view of a range is asked again: about once for each slot of its chart. */
export function refreshOf(range: string): number {
  if (!isMoving(range)) return 0
  return range === '5m' ? 5_000 : range === '30m' || range === '2h' ? 15_000 : 60_000
}
