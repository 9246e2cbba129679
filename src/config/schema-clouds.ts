import { z } from 'zod'
import { secretRef } from './schema-values.js'

// Settings of an upstream whose credential is not a key that stays the same.

const url = (what: string, usual: string) =>
  z.string().min(1).optional().describe(`URL of ${what}. Not given: ${usual}.`)

/** `aws` of an upstream. */
export const aws = z
  .strictObject({
    region: z
      .string()
      .regex(/^[a-z]{2,}(?:-[a-z]+)+-\d+$/, { error: 'must be the name of a region, such as eu-west-1' })
      .optional()
      .describe(
        'Region of the upstream, which is a part of its address and of each signature. Not given: from `AWS_REGION` or `AWS_DEFAULT_REGION`.',
      ),
    source: z
      .enum(['keys', 'web-identity', 'container', 'instance'])
      .optional()
      .describe(
        'Where the access key comes from. `keys`: from the settings below or from `AWS_ACCESS_KEY_ID`. `web-identity`: for the token file and the role that EKS names in the environment. `container`: from the address that ECS and EKS Pod Identity name in the environment. `instance`: the role of the EC2 machine. Not given: the first of the first three that is set.',
      ),
    accessKeyId: secretRef
      .optional()
      .describe('Id of an access key, by reference. Not given: from `AWS_ACCESS_KEY_ID`.'),
    secretAccessKey: secretRef
      .optional()
      .describe('Its secret, by reference. Not given: from `AWS_SECRET_ACCESS_KEY`.'),
    sessionToken: secretRef
      .optional()
      .describe(
        'Its session token, by reference, if it is a temporary key. Not given: from `AWS_SESSION_TOKEN`.',
      ),
    endpoint: url(
      'the service that gives keys, for all sources but `keys`',
      "the machine's own address, or `https://sts.REGION.amazonaws.com`",
    ),
  })
  .describe(
    'Requests are signed with an access key of AWS (Signature Version 4). For the preset `bedrock` it may be left out; its `apiKey`, or `AWS_BEARER_TOKEN_BEDROCK`, takes precedence.',
  )

/** `google` of an upstream. */
export const google = z
  .strictObject({
    project: z
      .string()
      .regex(/^[a-z][a-z0-9.:-]{2,62}$/, { error: 'must be the id of a project, such as my-project-1' })
      .optional()
      .describe(
        "Id of the project that pays. Not given: from `GOOGLE_CLOUD_PROJECT`, or else the service account's own.",
      ),
    location: z
      .string()
      .regex(/^[a-z]+(?:-[a-z]+\d+)?$/, { error: 'must be a location, such as europe-west1 or global' })
      .optional()
      .describe('Location of the models. Not given: from `GOOGLE_CLOUD_LOCATION`, or else `global`.'),
    source: z
      .enum(['file', 'instance'])
      .optional()
      .describe(
        "Where tokens come from. `file`: for the key in a file. `instance`: from the machine's metadata server (Compute Engine, GKE, Cloud Run). Not given: `file` if one is named.",
      ),
    credentials: secretRef
      .optional()
      .describe(
        'Key of a service account as Google issues it (JSON), or the credentials that `gcloud auth application-default login` writes; by reference. Not given: the file that `GOOGLE_APPLICATION_CREDENTIALS` names.',
      ),
    tokenUrl: url('the token endpoint', "the `token_uri` of the key, or the machine's metadata server"),
  })
  .describe(
    'Requests have an OAuth token of Google. For the preset `vertex` it may be left out, if the environment names all of it.',
  )

/** `entra` of an upstream. */
export const entra = z
  .strictObject({
    source: z
      .enum(['secret', 'web-identity', 'app-service', 'instance'])
      .optional()
      .describe(
        'Where tokens come from. `secret`: for the client secret. `web-identity`: for the token file that AKS names in the environment. `app-service`: from the address that App Service and Functions name in the environment. `instance`: from the machine (IMDS). Not given: `secret` if there is one, else the first of the others that is set, else `instance`.',
      ),
    tenant: z
      .string()
      .regex(/^[\w.-]+$/, { error: 'must be the id or the domain of a tenant' })
      .optional()
      .describe('Id of the tenant, for `secret` and `web-identity`. Not given: from `AZURE_TENANT_ID`.'),
    clientId: z
      .string()
      .regex(/^[\w-]+$/, { error: 'must be the id of an application or of a managed identity' })
      .optional()
      .describe(
        'Id of the application, or of a managed identity that the user has assigned. Not given: from `AZURE_CLIENT_ID`.',
      ),
    clientSecret: secretRef
      .optional()
      .describe('Secret of the application, by reference. Not given: from `AZURE_CLIENT_SECRET`.'),
    scope: z
      .string()
      .regex(/^[\x21-\x7e]+\/\.default$/, { error: 'must end with /.default' })
      .default('https://cognitiveservices.azure.com/.default')
      .describe('What the token is for.'),
    tokenUrl: url(
      'the token endpoint',
      '`https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`, or that of the source',
    ),
  })
  .describe(
    'Requests have a token of Microsoft Entra ID instead of a key. `{}` takes the managed identity of the machine.',
  )
