interface ChoiceProps {
  readonly label: string
  readonly names: readonly string[]
  readonly chosen: string
  readonly onChoose: (name: string) => void
}

/** A choice of one of few names. */
export function Choice({ label, names, chosen, onChoose }: ChoiceProps) {
  return (
    <fieldset class="choice">
      <legend class="unseen">{label}</legend>
      {names.map((name) => (
        <button key={name} type="button" aria-pressed={name === chosen} onClick={() => onChoose(name)}>
          {name}
        </button>
      ))}
    </fieldset>
  )
}
