import { useEffect, useState } from 'preact/hooks'
import type { Now } from '../shapes.js'
import { ApiProblem, callApi } from './api.js'
import { announceSignOut } from './asking.js'
import { appendNow } from './history.js'

/** `paused`: the tab is not seen. `lost`: there is no connection, and it is tried again. */
export type LiveState = 'connecting' | 'live' | 'lost' | 'paused'

export interface Live {
  readonly state: LiveState
  readonly last: Now | null
  /** The last five minutes, the oldest first. */
  readonly history: readonly Now[]
}

/** The server writes every second: after so long a silence, the connection is taken for dead. */
const SILENCE_MS = 12_000

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000

/** Follows `/api/live` while the view is there and the tab is seen. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ state: 'connecting', last: null, history: [] })
  useEffect(() => {
    const stream = new LiveStream(
      (state) => setLive((before) => (before.state === state ? before : { ...before, state })),
      (now) => setLive((before) => ({ state: 'live', last: now, history: appendNow(before.history, now) })),
    )
    const onVisibility = (): void => (document.hidden ? stream.pause() : stream.resume())
    document.addEventListener('visibilitychange', onVisibility)
    onVisibility()
    return () => {
      document.removeEventListener('visibilitychange', onVisibility)
      stream.close()
    }
  }, [])
  return live
}

/** One connection after another. A refusal ends an `EventSource` for good, so this makes a new one. */
class LiveStream {
  private readonly onState: (state: LiveState) => void
  private readonly onNow: (now: Now) => void
  private source: EventSource | null = null
  private timer = 0
  private silence = 0
  private pauseMs = FIRST_PAUSE_MS

  constructor(onState: (state: LiveState) => void, onNow: (now: Now) => void) {
    this.onState = onState
    this.onNow = onNow
  }

  resume(): void {
    this.onState('connecting')
    this.open()
  }

  private open(): void {
    this.close()
    const source = new EventSource('/api/live')
    this.source = source
    source.addEventListener('now', (event) => {
      this.pauseMs = FIRST_PAUSE_MS
      this.watch()
      this.onNow(JSON.parse((event as MessageEvent<string>).data) as Now)
    })
    source.addEventListener('error', () => {
      this.onState('lost')
      // Else the browser tries again by itself, with the id of the last event.
      if (source.readyState === EventSource.CLOSED) this.retry()
    })
    this.watch()
  }

  pause(): void {
    this.close()
    this.onState('paused')
  }

  close(): void {
    window.clearTimeout(this.timer)
    window.clearTimeout(this.silence)
    this.source?.close()
    this.source = null
  }

  private watch(): void {
    window.clearTimeout(this.silence)
    this.silence = window.setTimeout(() => {
      this.onState('lost')
      this.open()
    }, SILENCE_MS)
  }

  private retry(): void {
    this.close()
    this.timer = window.setTimeout(() => void this.openAgain(), this.pauseMs)
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2)
  }

  /** An `EventSource` does not tell why it was refused. */
  private async openAgain(): Promise<void> {
    try {
      await callApi('GET', '/api/session')
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) announceSignOut()
    }
    if (!document.hidden) this.open()
  }
}
