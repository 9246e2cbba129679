import { HOSTILE } from './stub-data.js'
import { HOLDER_SECRET, OPERATOR_SECRET, type StubOptions, StubServer } from './stub-server.js'

/** A page with data behind it, and what a test has to know of them. */
export interface PageScene {
  readonly url: string
  readonly operatorSecret: string
  readonly holderSecret: string
  /** Owner of the holder's key, and an owner of another key. */
  readonly holder: string
  readonly stranger: string
  /** A model whose name is markup that would set `window.hacked`. */
  readonly hostile: string
  /** A model with requests. */
  readonly model: string
  /** Requests to the API so far, as `GET /api/totals?by=team`. */
  readonly asked: readonly string[]
  /** Ends the live streams, and while it is away, new ones. */
  readonly leave: () => void
  readonly comeBack: () => void
  readonly close: () => Promise<void>
}

export async function openScene(options: StubOptions = {}): Promise<PageScene> {
  const server = new StubServer(options)
  const url = await server.listen()
  return {
    url,
    operatorSecret: OPERATOR_SECRET,
    holderSecret: HOLDER_SECRET,
    holder: 'web/grace',
    stranger: 'platform/ada',
    hostile: HOSTILE,
    model: 'gpt-5-mini',
    asked: server.asked,
    leave: () => {
      server.isAway = true
      server.cutStreams()
    },
    comeBack: () => {
      server.isAway = false
    },
    close: () => server.close(),
  }
}
