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
const AWAY = 'thinwire-away'

/** How soon a relay that did not answer is asked again. */
const RETRY_MS = 5_000

let isAway = false

/** Says whether the relay answers at all: then no view has to say it of each of its parts. */
export function announceAway(value: boolean): void {
  if (value === isAway) return
  isAway = value
  window.dispatchEvent(new Event(AWAY))
}

/** Whether the relay did not answer when it was asked last. */
export function useAway(): boolean {
  const [value, setValue] = useState(isAway)
  useEffect(() => {
    const onChange = (): void => setValue(isAway)
    onChange()
    window.addEventListener(AWAY, onChange)
    return () => window.removeEventListener(AWAY, onChange)
  }, [])
  return value
}

/** Whether an error says that nobody answered. */
export function isNoAnswer(error: unknown): boolean {
  return error instanceof ApiProblem && error.status === 0
}

/** Says that the session is over, so that the app asks for a sign-in. */
export function announceSignOut(): void {
  window.dispatchEvent(new Event(SIGNED_OUT))
}

export function onSignOut(listener: () => void): () => void {
  window.addEventListener(SIGNED_OUT, listener)
  return () => window.removeEventListener(SIGNED_OUT, listener)
}

/**
 * Asks an endpoint, and again from time to time while the tab is seen; one that did not answer, soon.
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
      let waitMs = everyMs
      try {
        const data = await callApi<T>('GET', path, null, aborter.signal)
        announceAway(false)
        setKnown({ path, data, problem: null })
      } catch (error) {
        if (aborter.signal.aborted) return
        if (error instanceof ApiProblem && error.status === 401) announceSignOut()
        const isGone = isNoAnswer(error)
        announceAway(isGone)
        if (isGone) waitMs = RETRY_MS
        const problem = isGone ? null : error instanceof Error ? error.message : String(error)
        setKnown((before) => ({ path, data: before.path === path ? before.data : null, problem }))
      }
      if (waitMs > 0 && !aborter.signal.aborted) timer = window.setTimeout(askIfSeen, waitMs)
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
