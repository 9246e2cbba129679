import type { ComponentChildren } from 'preact'
import { usePage } from '../page-context.js'
import { linkTo, type Place } from '../place.js'

interface LinkProps {
  readonly to: Partial<Place>
  readonly class?: string
  readonly title?: string
  readonly isCurrent?: boolean
  readonly children: ComponentChildren
}

/** A link within the page: the browser can open it in another tab, a click does not load the page again. */
export function Link({ to, isCurrent = false, title, children, ...others }: LinkProps) {
  const { place, go } = usePage()
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a
      href={linkTo({ ...place, ...to })}
      class={others.class}
      title={title}
      aria-current={isCurrent ? 'page' : undefined}
      onClick={onClick}
    >
      {children}
    </a>
  )
}
