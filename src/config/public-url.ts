/** Whether a text is the address of a relay: a URL with http or https and without user, query and fragment. */
export function isPublicUrl(text: string): boolean {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return false
  }
  const { protocol, username, password, search, hash } = url
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '')
}

/** The address without what the relay itself puts behind it: a slash, or `/v1`. */
export function trimPublicUrl(text: string): string {
  return text.replace(/\/+$/, '').replace(/\/v1$/, '')
}
