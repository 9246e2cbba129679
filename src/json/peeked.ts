import type { Reference } from './references.js'

/** A place in a body: from the first byte of a value, quotes included, to the index after its last byte. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A value and where it stands in the body. */
export interface Located<T> extends Span {
  readonly value: T
}

/**
 * The top-level fields that the relay needs of a JSON prompt, found in its bytes, perhaps behind a byte order mark: the
 * prompt is neither decoded, parsed nor copied. For every valid JSON text the fields are what `JSON.parse` would give:
 * the last of doubled keys wins, and escaped keys count. For anything else they are the fields before the first error:
 * broken JSON is for the upstream to refuse.
 */
export interface Peek {
  /** Index after the brace that opens the object; null if the body is no object. */
  readonly objectStart: number | null
  /** The body is one JSON object from its first to its last byte, as far as its own level shows, or a whole form. */
  readonly isWhole: boolean
  /** Null if it is missing or no string. */
  readonly model: Located<string> | null
  /** The model of the member `session` (Realtime). Null if it is missing or no string. */
  readonly sessionModel: Located<string> | null
  /**
   * All of what may be read as the model, in its order, where that is not one string with the key `model`: doubled
   * keys, keys in other letters (`Model`), values of another kind (null in their place). Empty for the usual body.
   */
  readonly modelCopies: readonly Located<string | null>[]
  /** There is a list of models that an upstream may run in place of this one (`models`, `fallbacks`). */
  readonly namesOthers: boolean
  /** The boundary, if the body is a form (`multipart/form-data`): its values have no quotes. Null for JSON. */
  readonly formBoundary: string | null
  /** Null if it is missing or neither true nor false. */
  readonly stream: Located<boolean> | null
  /**
   * `max_completion_tokens`, or else `max_tokens`. Null if both are missing or no count; llama.cpp's -1, which stands
   * for no limit, is no count.
   */
  readonly maxTokens: number | null
  /**
   * `max_output_tokens`, likewise: the Responses API has this name. Or what stands for it in the settings of an answer,
   * such as Gemini's `generationConfig`; null if these are longer than a key or a value that is read.
   */
  readonly maxOutputTokens: number | null
  /** Null if it is missing or no number. */
  readonly temperature: number | null
  /** `n` is there, and is not one: the client wants several answers. */
  readonly several: boolean
  /** There are `tools` or `functions`, even if the list is empty. */
  readonly tools: boolean
  /** `value` is its JSON text, empty if that is longer than `LONGEST`. Null if it is missing. */
  readonly streamOptions: Located<string> | null
  /** Null if it is no string, or the key stands there twice. */
  readonly prompt: Span | null
  /** Null if it is missing or neither true nor false; so is `background`. */
  readonly store: boolean | null
  readonly background: boolean | null
  /** The value of `prompt_cache_key` or `session_id`, or else of `metadata`, which says what chat it is; or null. */
  readonly session: Span | null
  /** Objects that the provider has stored and the request goes on from. A new list for each one that is found. */
  readonly references: readonly Reference[]
}
