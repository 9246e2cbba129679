/** The last event of a response, in the Responses and the Realtime API. */
export const ENDS: ReadonlySet<string> = new Set([
  'response.completed',
  'response.done',
  'response.failed',
  'response.incomplete',
  'response.cancelled',
])

export const BEGINNINGS: ReadonlySet<string> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
])

export const TRANSCRIBED = 'conversation.item.input_audio_transcription.completed'
