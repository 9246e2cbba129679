import type { Now } from '../../../src/page/shapes.js'

/** The first message of the live stream of a page. @param cookie of a session */
export async function readNow(origin: string, cookie: string): Promise<Now> {
  const response = await fetch(`${origin}/api/live`, { headers: { cookie } })
  const reader = response.body?.getReader()
  let text = ''
  for (;;) {
    const piece = await reader?.read()
    if (piece?.value === undefined) throw new Error('the stream ended')
    text += Buffer.from(piece.value).toString()
    const data = /data: (.*)\n\n/.exec(text)?.[1]
    if (data === undefined) continue
    await reader?.cancel()
    return JSON.parse(data) as Now
  }
}
