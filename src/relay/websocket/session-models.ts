import { asObject, isObject, type JsonObject, stringOr } from '../../json/values.js'

/** The models of a Realtime session, as its upstream says them. */
export class SessionModels {
  /** Null before it is known. */
  model: string | null
  /** The one that writes down what the user says; null for none. */
  transcription: string | null

  constructor() {
    this.model = null
    this.transcription = null
  }

  read(session: JsonObject): void {
    const audio = asObject(asObject(session.audio).input)
    const transcription = isObject(audio.transcription)
      ? audio.transcription
      : asObject(session.input_audio_transcription)
    this.model = stringOr(session.model, this.model)
    this.transcription = stringOr(transcription.model, this.transcription)
  }
}
