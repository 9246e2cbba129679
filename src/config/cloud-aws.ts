import {
  type AwsSource,
  type CloudPlace,
  fromUrl,
  NO_CLOUD,
  proxyTo,
  type ResolvedCloud,
  readRequired,
} from './cloud-config.js'
import type { UpstreamEntry } from './schema.js'

/** Resolves `aws` of an entry. */
export function resolveAws(entry: UpstreamEntry, place: CloudPlace): ResolvedCloud {
  const { secrets, path, env, passthrough, hasKey } = place
  const settings = entry.aws ?? {}
  const region = settings.region ?? env('AWS_REGION') ?? env('AWS_DEFAULT_REGION')
  if (region === null || !/^[a-z0-9-]+$/.test(region)) {
    if (entry.baseUrl === undefined || !hasKey)
      secrets.report(`${path}.aws.region`, 'is missing; give the name of a region, such as eu-west-1')
    return NO_CLOUD
  }
  const address =
    entry.preset === 'bedrock'
      ? { baseUrl: `https://bedrock-runtime.${region}.${awsDomainOf(region)}`, otherBasePaths: [] }
      : null
  if (hasKey || passthrough) return { credential: null, address }
  const from = settings.source ?? guessAwsSource(settings, env)
  if (from === null)
    secrets.report(
      `${path}.aws.source`,
      'is missing, and the environment has no credential of AWS; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, or give "instance" for the role of this machine',
    )
  const source = from === null ? null : readAwsSource(from, settings, region, place)
  if (source === null) return { credential: null, address }
  const proxy = source.from === 'web-identity' ? proxyTo(entry, source.url, place) : null
  return { credential: { kind: 'aws', region, source, proxy }, address }
}

function awsDomainOf(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
}

function readAwsSource(
  from: AwsSource['from'],
  settings: AwsSettings,
  region: string,
  place: CloudPlace,
): AwsSource | null {
  const { endpoint } = settings
  switch (from) {
    case 'keys':
      return readAwsKeys(settings, place)
    case 'web-identity':
      return readAwsWebIdentity(endpoint, region, place)
    case 'container':
      return readAwsContainer(endpoint, place)
    case 'instance':
      return fromUrl(endpoint ?? INSTANCE_METADATA, `${place.path}.aws.endpoint`, place, (url) => ({
        from,
        url,
      }))
  }
}

const INSTANCE_METADATA = 'http://169.254.169.254'

type AwsSettings = NonNullable<UpstreamEntry['aws']>

function guessAwsSource(settings: AwsSettings, env: CloudPlace['env']): AwsSource['from'] | null {
  if (settings.accessKeyId !== undefined || env('AWS_ACCESS_KEY_ID') !== null) return 'keys'
  if (env('AWS_WEB_IDENTITY_TOKEN_FILE') !== null) return 'web-identity'
  return containerUrl(env) === null ? null : 'container'
}

function readAwsKeys(settings: AwsSettings, place: CloudPlace): AwsSource {
  const { secrets, env } = place
  const read = (name: 'accessKeyId' | 'secretAccessKey' | 'sessionToken', variable: string): string =>
    secrets.read(settings[name] ?? { env: variable }, `${place.path}.aws.${name}`)
  // A session token in the environment belongs to the key in the environment.
  const hasToken =
    settings.sessionToken !== undefined ||
    (settings.accessKeyId === undefined && env('AWS_SESSION_TOKEN') !== null)
  return {
    from: 'keys',
    accessKeyId: read('accessKeyId', 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: read('secretAccessKey', 'AWS_SECRET_ACCESS_KEY'),
    sessionToken: hasToken ? read('sessionToken', 'AWS_SESSION_TOKEN') : null,
  }
}

function readAwsWebIdentity(
  endpoint: string | undefined,
  region: string,
  place: CloudPlace,
): AwsSource | null {
  const tokenFile = readRequired('AWS_WEB_IDENTITY_TOKEN_FILE', `${place.path}.aws.source`, place)
  const roleArn = readRequired('AWS_ROLE_ARN', `${place.path}.aws.source`, place)
  if (tokenFile === null || roleArn === null) return null
  const usual = `https://sts.${region}.${awsDomainOf(region)}`
  const sessionName = place.env('AWS_ROLE_SESSION_NAME') ?? 'thinwire'
  return fromUrl(endpoint ?? usual, `${place.path}.aws.endpoint`, place, (url) => ({
    from: 'web-identity',
    url,
    roleArn,
    sessionName,
    tokenFile,
  }))
}

function containerUrl(env: CloudPlace['env']): string | null {
  const relative = env('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  if (relative !== null) return `http://169.254.170.2${relative}`
  return env('AWS_CONTAINER_CREDENTIALS_FULL_URI')
}

function readAwsContainer(endpoint: string | undefined, place: CloudPlace): AwsSource | null {
  const { env, path, secrets } = place
  const found = endpoint ?? containerUrl(env)
  if (found === null) {
    secrets.report(
      `${path}.aws.source`,
      'container needs the environment variable AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI',
    )
    return null
  }
  return fromUrl(found, `${path}.aws.endpoint`, place, (url) => ({
    from: 'container',
    url,
    token: env('AWS_CONTAINER_AUTHORIZATION_TOKEN'),
    tokenFile: env('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
  }))
}
