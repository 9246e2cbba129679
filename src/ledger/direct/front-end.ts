import type { End, Phase } from '../../exchange/outcome.js'

/** How a request ended, and in which phase. */
export interface FrontEnd {
  readonly end: End
  readonly phase: Phase
}

/** What a log says of the end of a request. */
export interface EndSigns {
  /** HTTP status that the client got; null for none. */
  readonly status: number | null
  /** Whether the provider was asked. */
  readonly wasSent: boolean
  /** Whether the head of the provider's response arrived. Null: the log does not say. */
  readonly hasHead: boolean | null
  /** As the front writes it; null if it writes nothing. */
  readonly ended: string | null
  /** nginx took the response for a whole one (`$request_completion`), where `ended` comes from elsewhere. */
  readonly isCompleted: boolean
}

/** nginx: the client left before the front had responded. */
const CLIENT_CLOSED_REQUEST = 499

/**
 * Decides how a request ended that went past the relay.
 *
 * nginx (`$request_completion`) writes `OK`, or nothing if the client left within the response. Of a provider that
 * broke off it writes `OK` too, and Caddy writes nothing of either: there such a request is `done`.
 * Where the script of the recipe notes the end itself, nothing and `$request_completion` `OK` is such a provider.
 * HAProxy writes a termination state, section 8.5 of its configuration manual.
 */
export function decideEnd(signs: EndSigns): FrontEnd {
  const { status, wasSent, hasHead, ended, isCompleted } = signs
  const reached: Phase = hasHead === false ? 'attempt' : 'respond'
  if (ended !== null && /^[-A-Za-z]{2,4}$/.test(ended) && ended.toUpperCase() !== 'OK' && ended !== '--') {
    const found = decideByState(ended.slice(0, 2), signs, reached)
    if (found !== null) return found
  }
  if (status === CLIENT_CLOSED_REQUEST || status === null)
    return { end: 'client_gone', phase: wasSent ? reached : 'admit' }
  if (!wasSent) return decideUnsent(status)
  if ((status === 502 || status === 504) && hasHead === false)
    return { end: 'upstream_failed', phase: 'attempt' }
  // The script of the recipe replaces what the provider said of the operator's key.
  if (ended === '' && status >= 502 && status <= 504) return { end: 'upstream_failed', phase: 'attempt' }
  if (ended !== '') return { end: 'done', phase: 'respond' }
  return { end: isCompleted ? 'upstream_cut' : 'client_gone', phase: reached }
}

/** The front has responded by itself. */
function decideUnsent(status: number): FrontEnd {
  if (status === 502 || status === 504) return { end: 'upstream_failed', phase: 'attempt' }
  return { end: status >= 400 ? 'refused' : 'local', phase: 'admit' }
}

/** @param state who ended the session, and when: `CD` */
function decideByState(state: string, { status, wasSent }: EndSigns, reached: Phase): FrontEnd | null {
  const [who = '-', when = '-'] = state
  const isInResponse = when === 'D' || when === 'L'
  switch (who) {
    case 'C':
      return { end: 'client_gone', phase: wasSent ? (isInResponse ? 'respond' : 'attempt') : 'read' }
    case 'c':
      return isInResponse
        ? { end: 'client_stalled', phase: 'respond' }
        : { end: 'client_gone', phase: wasSent ? 'attempt' : 'read' }
    case 'S':
    case 's':
      if (!isInResponse) return { end: 'upstream_failed', phase: 'attempt' }
      return { end: who === 's' ? 'upstream_idle' : 'upstream_cut', phase: 'respond' }
    case 'P':
    case 'R':
    case 'I':
      if (!wasSent && status !== null) return decideUnsent(status)
      return isInResponse
        ? { end: 'upstream_cut', phase: 'respond' }
        : { end: 'upstream_failed', phase: 'attempt' }
    case 'D':
    case 'U':
      return { end: isInResponse ? 'upstream_cut' : 'upstream_failed', phase: reached }
    case 'K':
      return { end: 'shutdown', phase: reached }
    default:
      // `L`: the front has responded by itself. `-`: it went well.
      return null
  }
}
