import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Session } from '../shapes.js'
import type { Times } from './format.js'
import type { Place } from './place.js'

/** What each view knows. */
export interface PageContext {
  readonly session: Session
  readonly times: Times
  readonly place: Place
  /** Goes to another place; the present one stays in the history. */
  readonly go: (change: Partial<Place>) => void
  /** The present moment by the clock of the relay. */
  readonly readClock: () => number
}

export const Page = createContext<PageContext | null>(null)

export function usePage(): PageContext {
  const page = useContext(Page)
  if (page === null) throw new Error('no page around this view')
  return page
}
