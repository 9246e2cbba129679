import type { ApiError } from '../shapes.js'

/** An answer of the API that is an error, or none at all (status 0). The message is for the reader. */
export class ApiProblem extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Asks the API, or gives it an order. Paths are relative to the page. @throws ApiProblem */
export async function callApi<T>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body: unknown = null,
  signal: AbortSignal | null = null,
): Promise<T> {
  let response: Response
  try {
    const sent =
      method === 'GET'
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) }
    response = await fetch(path, { method, credentials: 'same-origin', cache: 'no-store', signal, ...sent })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new ApiProblem(0, 'The relay does not answer.')
  }
  const text = await response.text().catch(() => '')
  if (!response.ok)
    throw new ApiProblem(response.status, messageOf(text) ?? `The relay answered ${response.status}.`)
  if (text === '') return null as T
  try {
    return JSON.parse(text) as T
  } catch {
    throw new ApiProblem(response.status, 'The relay answered with something else than JSON.')
  }
}

function messageOf(text: string): string | null {
  try {
    const { error } = JSON.parse(text) as Partial<ApiError>
    return typeof error?.message === 'string' ? error.message : null
  } catch {
    return null
  }
}
