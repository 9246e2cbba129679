/**
 * Stands in for `preact/jsx-runtime` where components are written to a file: it makes text of HTML at once, with no
 * document and nothing to run. All text and each attribute is escaped, so names that clients choose stay text.
 */

/** HTML that is escaped already. */
export class Markup {
  readonly html: string

  constructor(html: string) {
    this.html = html
  }
}

type Props = Readonly<Record<string, unknown>>

export function jsx(type: string | ((props: Props) => unknown), props: Props): unknown {
  if (typeof type === 'function') return type(props)
  const attributes = Object.entries(props).map(([name, value]) => formatAttribute(name, value))
  const start = `<${type}${attributes.join('')}>`
  return new Markup(VOID.has(type) ? start : `${start}${toHtml(props.children)}</${type}>`)
}

/** @public `tsc` writes it where there are several children. */
export const jsxs = jsx

/** @public `tsc` writes it for `<>`. */
export function Fragment({ children }: Props): unknown {
  return new Markup(toHtml(children))
}

/** What a component has returned, as HTML. */
export function toHtml(node: unknown): string {
  if (node === null || node === undefined || typeof node === 'boolean') return ''
  if (node instanceof Markup) return node.html
  if (Array.isArray(node)) return node.map(toHtml).join('')
  return escapeText(String(node))
}

/** Elements without an end tag. */
const VOID: ReadonlySet<string> = new Set(['br', 'hr', 'img', 'input', 'link', 'meta'])

/** Attributes of SVG, in which capital letters count. */
const AS_WRITTEN: ReadonlySet<string> = new Set(['viewBox', 'preserveAspectRatio'])

function formatAttribute(name: string, value: unknown): string {
  if (name === 'children' || typeof value === 'function' || value === undefined || value === null) return ''
  const written = AS_WRITTEN.has(name) ? name : name.toLowerCase()
  if (typeof value === 'boolean' && !written.startsWith('aria-')) return value ? ` ${written}` : ''
  return ` ${written}="${escapeText(String(value))}"`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}
