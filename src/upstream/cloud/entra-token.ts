import type { EntraSource } from '../../config/cloud-config.js'
import {
  createFormRequest,
  readObject,
  readToken,
  readTokenFile,
  readValidMs,
  type SendTokenRequest,
  type TokenRequest,
} from './token-endpoint.js'
import type { Fetched } from './token-source.js'

/** Versions of the two endpoints of managed identities (Microsoft, "How to use managed identities"). */
const INSTANCE_VERSION = '2018-02-01'
const APP_SERVICE_VERSION = '2019-08-01'

/** Creates the function that gets the tokens of Entra ID. @param scope ends with `/.default` */
export function createEntraFetch(
  source: EntraSource,
  scope: string,
  send: SendTokenRequest,
): () => Promise<Fetched<string>> {
  return async () => {
    const response = await send(await createRequest(source, scope))
    const { access_token: token, expires_in: expiresIn, expires_on: expiresOn } = readObject(response)
    return { credential: readToken(token), validMs: readValidMs(expiresIn, expiresOn, response) }
  }
}

async function createRequest(source: EntraSource, scope: string): Promise<TokenRequest> {
  switch (source.from) {
    case 'secret':
      return createFormRequest(source.url, {
        grant_type: 'client_credentials',
        client_id: source.clientId,
        client_secret: source.clientSecret,
        scope,
      })
    case 'web-identity':
      return createFormRequest(source.url, {
        grant_type: 'client_credentials',
        client_id: source.clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        // Kubernetes replaces the file well before the token in it expires.
        client_assertion: await readTokenFile(source.tokenFile),
        scope,
      })
    case 'instance':
      return createIdentityRequest(source, scope, INSTANCE_VERSION, ['metadata', 'true'])
    case 'app-service':
      return createIdentityRequest(source, scope, APP_SERVICE_VERSION, ['x-identity-header', source.header])
  }
}

/** Managed identities are asked for a resource, not for a scope. */
function createIdentityRequest(
  { url, clientId }: { readonly url: string; readonly clientId: string | null },
  scope: string,
  version: string,
  headers: readonly string[],
): TokenRequest {
  const address = new URL(url)
  address.searchParams.set('api-version', version)
  address.searchParams.set('resource', scope.slice(0, -'/.default'.length))
  if (clientId !== null) address.searchParams.set('client_id', clientId)
  return { method: 'GET', url: address.href, headers, body: null }
}
