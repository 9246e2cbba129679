// Loaded ahead of Portkey's gateway. As it comes from npm (1.15.2, on Node 20), it answers every stream with status 500: it
// adds headers to what `fetch` gave it, and those cannot be changed. Here they can.

const { fetch: fetched, Response: Answer } = globalThis

globalThis.fetch = async (...args: Parameters<typeof fetch>): Promise<Response> => {
  const { body, status, statusText, headers } = await fetched(...args)
  return new Answer(body, { status, statusText, headers: new Headers(headers) })
}
