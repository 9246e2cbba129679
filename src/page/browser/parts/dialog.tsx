import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  /** It stays until its button is pressed: what it shows is not shown again. */
  readonly isFirm?: boolean
  readonly children: ComponentChildren
}

/** A dialog of the browser: it keeps the focus, and gives it back when it closes. */
export function Dialog({ title, onClose, isFirm = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault()
        if (!isFirm) onClose()
      }}
    >
      <h2>{title}</h2>
      {children}
    </dialog>
  )
}
