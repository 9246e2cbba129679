// This module is loaded before Portkey's gateway. The version on npm (1.15.2, on Node 20) responds to every stream with
// status 500: it adds headers to a response of `fetch`, whose headers cannot be changed. Here they can.

const { fetch: fetched, Response: Answer } = globalThis

globalThis.fetch = async (...args: Parameters<typeof fetch>): Promise<Response> => {
  const { body, status, statusText, headers } = await fetched(...args)
  return new Answer(body, { status, statusText, headers: new Headers(headers) })
}
