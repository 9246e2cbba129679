/**
 * The path of a setting as messages show it: `upstreams.openai.limits`, `routes[0].model`, `models["a b"]`.
 * @param parts names and list indexes, outermost first
 */
export function formatPath(parts: readonly PropertyKey[]): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w$-]+$/.test(String(part))) text += `${text === '' ? '' : '.'}${String(part)}`
    else text += `[${JSON.stringify(String(part))}]`
  }
  return text
}
