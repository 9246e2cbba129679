import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { KeyOrder, KeyRow, NewKey } from '../../shapes.js'
import { ApiProblem, callApi } from '../api.js'
import { announceSignOut } from '../asking.js'
import { Dialog } from '../parts/dialog.js'

interface Done {
  /** @param message what was done; null: nothing */
  readonly onDone: (message: string | null) => void
}

/** Asks who a new key is for, and shows it once. */
export function AddKey({ onDone }: Done) {
  const [order, setOrder] = useState<KeyOrder>({ env: 'prod', team: '', user: '', expires: '90d' })
  const [models, setModels] = useState('')
  const names = models.split(/[\s,]+/).filter((name) => name !== '')
  const field = (name: 'env' | 'team' | 'user') => (
    <Field
      label={name}
      value={order[name]}
      pattern="[a-z0-9\-]{1,32}"
      hint="a-z, 0-9 and -"
      isRequired
      onInput={(value) => setOrder({ ...order, [name]: value })}
    />
  )
  return (
    <Order
      title="Add a key"
      button="Add"
      send={() =>
        callApi<NewKey>('POST', '/api/keys', { ...order, ...(names.length > 0 ? { models: names } : {}) })
      }
      say={(key) => `The key ${key?.id ?? ''} was added.`}
      onDone={onDone}
    >
      {field('env')}
      {field('team')}
      {field('user')}
      <Field
        label="expires"
        value={order.expires ?? ''}
        pattern=""
        hint="90d, 2026-12-31 or never"
        isRequired
        onInput={(expires) => setOrder({ ...order, expires })}
      />
      <Field label="models" value={models} pattern="" hint="all, or names with commas" onInput={setModels} />
    </Order>
  )
}

/** Replaces a key by a new one, while the old one works for some time. */
export function RotateKey({ row, onDone }: Done & { readonly row: KeyRow }) {
  const [overlap, setOverlap] = useState('24h')
  return (
    <Order
      title="Rotate a key"
      button="Rotate"
      send={() => callApi<NewKey>('POST', `/api/keys/${encodeURIComponent(row.id)}/rotate`, { overlap })}
      say={(key) => `The key ${row.id} is replaced by ${key?.id ?? ''}.`}
      onDone={onDone}
    >
      <p>
        A new key takes the place of <Whose row={row} />. The old one still works for this time:
      </p>
      <Field
        label="overlap"
        value={overlap}
        pattern="\d+[smhdw]"
        hint="24h, 7d; 0s: none"
        isRequired
        onInput={setOverlap}
      />
    </Order>
  )
}

/** Asks once more before a key is revoked. */
export function RevokeKey({ row, onDone }: Done & { readonly row: KeyRow }) {
  return (
    <Order
      title="Revoke a key"
      button="Revoke"
      isDanger
      send={async () => {
        await callApi('POST', `/api/keys/${encodeURIComponent(row.id)}/revoke`)
        return null
      }}
      say={() => `The key ${row.id} was revoked.`}
      onDone={onDone}
    >
      <p>
        <Whose row={row} /> is refused from now on. This cannot be undone.
      </p>
    </Order>
  )
}

function Whose({ row: { id, team, user } }: { readonly row: KeyRow }) {
  return (
    <>
      the key <code>{id}</code> of <b>{`${team}/${user}`}</b>
    </>
  )
}

interface OrderProps extends Done {
  readonly title: string
  readonly button: string
  readonly isDanger?: boolean
  readonly send: () => Promise<NewKey | null>
  readonly say: (key: NewKey | null) => string
  readonly children: ComponentChildren
}

/** A form that gives an order. A key that comes of it is shown before the dialog closes. */
function Order({ title, button, isDanger = false, send, say, onDone, children }: OrderProps) {
  const [isSending, setSending] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [key, setKey] = useState<NewKey | null>(null)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setSending(true)
    setProblem(null)
    try {
      const made = await send()
      if (made === null) onDone(say(null))
      else setKey(made)
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) announceSignOut()
      setProblem(error instanceof Error ? error.message : String(error))
    }
    setSending(false)
  }
  if (key !== null) return <ShownKey made={key} onClose={() => onDone(say(key))} />
  return (
    <Dialog title={title} onClose={() => onDone(null)}>
      <form onSubmit={(event) => void submit(event)}>
        {children}
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <p class="buttons">
          <button type="button" onClick={() => onDone(null)}>
            Cancel
          </button>
          <button type="submit" class={isDanger ? 'danger' : 'primary'} disabled={isSending}>
            {button}
          </button>
        </p>
      </form>
    </Dialog>
  )
}

function ShownKey({ made, onClose }: { readonly made: NewKey; readonly onClose: () => void }) {
  const [isCopied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    const field = document.querySelector<HTMLInputElement>('#new-key')
    field?.select()
    // Without HTTPS there is no clipboard but on this machine: then the key is selected, to be copied by hand.
    await navigator.clipboard?.writeText(made.key).then(
      () => setCopied(true),
      () => {},
    )
  }
  return (
    <Dialog title="The new key" onClose={onClose} isFirm>
      <p>Copy it now: it is not shown again, and only its hash is kept.</p>
      <p class="secret">
        <input
          id="new-key"
          aria-label="The new key"
          readOnly
          value={made.key}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" onClick={() => void copy()}>
          {isCopied ? 'Copied' : 'Copy'}
        </button>
      </p>
      <p class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </p>
    </Dialog>
  )
}

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly pattern: string
  readonly hint: string
  readonly isRequired?: boolean
  readonly onInput: (value: string) => void
}

function Field({ label, value, pattern, hint, isRequired = false, onInput }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        name={label}
        value={value}
        required={isRequired}
        pattern={pattern === '' ? undefined : pattern}
        title={hint}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value.trim())}
      />
      <span class="hint">{hint}</span>
    </label>
  )
}
