/** A shorter part is a word that occurs in any text. */
const PART_MIN_LENGTH = 16

/** The ways in which text contains a credential: as it is, in a URL, and in JSON that escapes slashes. */
export function listTextForms(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1)
  return [secret, encodeURIComponent(secret), inJson, inJson.replaceAll('/', '\\/')]
}

/**
 * The ways in which Base64 contains a credential, alone or behind other bytes (`Basic`, a header that is repeated): the
 * characters that do not depend on what stands before and behind it. For each of the three places in a group of bytes,
 * in both alphabets.
 */
export function listBase64Forms(secret: string): string[] {
  const forms: string[] = []
  for (let before = 0; before < 3; before++) {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret, 'latin1')])
    const from = Math.ceil((before * 8) / 6)
    const to = Math.floor((bytes.length * 8) / 6)
    for (const alphabet of ['base64', 'base64url'] as const)
      forms.push(bytes.toString(alphabet).slice(from, to))
  }
  return forms.filter(({ length }) => length >= PART_MIN_LENGTH)
}
