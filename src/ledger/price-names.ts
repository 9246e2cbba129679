/** Version after the name of a family: `gpt-4.1-2025-04-14`, `claude-sonnet-4-5-20250929`, `grok-4.7-latest`. */
const VERSION = /(?:-(?:\d{4}-\d\d-\d\d|\d{8}|latest)|@(?:\d{8}|default|latest))$/

/** A name with its version after an @, as Vertex AI has it: `claude-sonnet-4@20250514`. */
const AT_VERSION = /@(\d{8})$/

/** The inference region before a name of Bedrock: `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`. */
const REGION = /^(?:us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)/

/** A fine-tuned model: `ft:gpt-4o-2024-08-06:team::id`. Price files have it without the names of its owner. */
const FINE_TUNED = /^(ft:[^:]+):.*$/

/** Gemini's own API names its models so. */
const RESOURCE = /^models\//

/** Each with what takes its place, in the order in which they are tried. */
const SHORTER: readonly (readonly [RegExp, string])[] = [
  [RESOURCE, ''],
  [FINE_TUNED, '$1'],
  [AT_VERSION, '-$1'],
  [REGION, ''],
  [VERSION, ''],
]

/** The names under which a model may stand in a price file: the name itself, then shorter ones. */
export function listNameForms(name: string): string[] {
  const forms = [name]
  for (const [pattern, replacement] of SHORTER) {
    for (const form of [...forms]) {
      const shorter = form.replace(pattern, replacement)
      if (shorter !== '' && !forms.includes(shorter)) forms.push(shorter)
    }
  }
  return forms
}
