import { useState } from 'preact/hooks'
import type { Session } from '../shapes.js'
import { callApi } from './api.js'

interface SignInProps {
  /** @param askedAt `Date.now()` when the page asked for it */
  readonly onSession: (session: Session, askedAt: number) => void
}

/** Asks for the token of an operator, or for a key. */
export function SignIn({ onSession }: SignInProps) {
  const [secret, setSecret] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setProblem(null)
    try {
      const askedAt = Date.now()
      onSession(await callApi<Session>('POST', '/api/session', { secret: secret.trim() }), askedAt)
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <main class="sign-in">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1>Thinwire</h1>
        <label class="field">
          <span>Token or key</span>
          <input
            type="password"
            name="secret"
            value={secret}
            required
            autocomplete="current-password"
            onInput={(event) => setSecret(event.currentTarget.value)}
          />
        </label>
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary">
          Sign in
        </button>
        <p class="hint">
          The operator's token shows everything. With a key of your own you see what this key did.
        </p>
      </form>
    </main>
  )
}
