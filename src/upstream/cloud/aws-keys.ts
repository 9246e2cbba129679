import type { AwsSource } from '../../config/cloud-config.js'
import { isObject, type JsonObject } from '../../json/values.js'
import type { AwsKey } from './sigv4.js'
import {
  createFormRequest,
  readObject,
  readToken,
  readTokenFile,
  readValidMs,
  type SendTokenRequest,
  type TokenResponse,
} from './token-endpoint.js'
import { type Fetched, TokenError } from './token-source.js'

const ROLES_PATH = '/latest/meta-data/iam/security-credentials/'

/** Seconds that a session with the metadata service lasts: six hours at most. */
const SESSION_SECONDS = '21600'

/** Where keys come from that expire. */
export type ExpiringSource = Exclude<AwsSource, { readonly from: 'keys' }>

/** Creates the function that gets temporary access keys of AWS. */
export function createAwsFetch(
  source: ExpiringSource,
  send: SendTokenRequest,
): () => Promise<Fetched<AwsKey>> {
  switch (source.from) {
    case 'instance':
      return () => fetchFromInstance(source.url, send)
    case 'container':
      return () => fetchFromContainer(source, send)
    case 'web-identity':
      return () => fetchForRole(source, send)
  }
}

/** EC2's metadata service, version 2: a session first, then the role, then its key. */
async function fetchFromInstance(url: string, send: SendTokenRequest): Promise<Fetched<AwsKey>> {
  const base = url.replace(/\/+$/, '')
  const session = await send({
    method: 'PUT',
    url: `${base}/latest/api/token`,
    headers: ['x-aws-ec2-metadata-token-ttl-seconds', SESSION_SECONDS],
    body: null,
  })
  const headers = ['x-aws-ec2-metadata-token', readToken(readText(session))]
  const roles = await send({ method: 'GET', url: base + ROLES_PATH, headers, body: null })
  const [role = ''] = readText(roles).split('\n')
  if (!/^[\w+=,.@-]+$/.test(role)) throw new TokenError('TOKEN_RESPONSE_INVALID')
  return readKey(await send({ method: 'GET', url: base + ROLES_PATH + role, headers, body: null }))
}

function readText({ status, text }: TokenResponse): string {
  if (status !== 200) throw new TokenError(`TOKEN_STATUS_${status}`)
  return text.trim()
}

/** ECS, and EKS Pod Identity, which replaces the file from time to time. */
async function fetchFromContainer(
  { url, token, tokenFile }: ExpiringSource & { readonly from: 'container' },
  send: SendTokenRequest,
): Promise<Fetched<AwsKey>> {
  const value = tokenFile === null ? token : await readTokenFile(tokenFile)
  const headers = ['accept', 'application/json', ...(value === null ? [] : ['authorization', value])]
  return readKey(await send({ method: 'GET', url, headers, body: null }))
}

/** The form that both metadata services have. */
function readKey(response: TokenResponse): Fetched<AwsKey> {
  const { Token: token, Expiration: expiration, ...rest } = readObject(response)
  return {
    credential: createKey({ ...rest, SessionToken: token }),
    validMs: readValidMs(null, expiration, response),
  }
}

/** STS: a key for a role, for the token that Kubernetes has issued. */
async function fetchForRole(
  { url, roleArn, sessionName, tokenFile }: ExpiringSource & { readonly from: 'web-identity' },
  send: SendTokenRequest,
): Promise<Fetched<AwsKey>> {
  const response = await send(
    createFormRequest(url, {
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      WebIdentityToken: await readTokenFile(tokenFile),
    }),
  )
  const outer = readObject(response).AssumeRoleWithWebIdentityResponse
  const result = isObject(outer) ? outer.AssumeRoleWithWebIdentityResult : null
  const credentials = isObject(result) ? result.Credentials : null
  if (!isObject(credentials)) throw new TokenError('TOKEN_RESPONSE_INVALID')
  return {
    credential: createKey(credentials),
    validMs: readValidMs(null, credentials.Expiration, response),
  }
}

function createKey({ AccessKeyId: id, SecretAccessKey: secret, SessionToken: token }: JsonObject): AwsKey {
  return { accessKeyId: readToken(id), secretAccessKey: readToken(secret), sessionToken: readToken(token) }
}
