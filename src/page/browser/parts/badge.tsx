export type Tone = 'good' | 'warn' | 'bad' | 'quiet'

const SIGNS: Readonly<Record<Tone, string>> = { good: '●', warn: '▲', bad: '■', quiet: '○' }

/** A state in one word. Its sign differs in shape, not in colour alone. */
export function Badge({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{SIGNS[tone]}</span> {children}
    </span>
  )
}
