import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  buildAuthorization,
  buildCanonicalRequest,
  deriveSigningKey,
  formatAmzDate,
  hashBody,
} from '../../../src/upstream/cloud/sigv4.js'

const KEY = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: null,
}
const SCOPE = { region: 'us-east-1', service: 'service' }
const DATE = '20150830T123600Z'

test('the signing key is that of the example in the AWS documentation', () => {
  const key = deriveSigningKey(KEY.secretAccessKey, '20150830', { region: 'us-east-1', service: 'iam' })
  assert.is(key.toString('hex'), 'c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9')
})

test('a time is written without signs and without milliseconds', () => {
  assert.is(formatAmzDate(new Date(Date.UTC(2015, 7, 30, 12, 36, 0, 789))), DATE)
})

const HOST = ['Host', 'example.amazonaws.com', 'X-Amz-Date', DATE]

/** Of the Signature Version 4 test suite of AWS: name, method, path, headers, body, signature. */
const SUITE: [string, string, string, string[], string, string][] = [
  ['get-vanilla', 'GET', '/', HOST, '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  [
    'get-vanilla-query-order-key-case',
    'GET',
    '/?Param2=value2&Param1=value1',
    HOST,
    '',
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  [
    'get-utf8',
    'GET',
    '/\u1234',
    HOST,
    '',
    '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
  ],
  [
    'get-header-value-trim',
    'GET',
    '/',
    [...HOST.slice(0, 2), 'My-Header1', ' value1', 'My-Header2', ' "a   b   c"', ...HOST.slice(2)],
    '',
    'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  ],
  [
    'get-relative-relative',
    'GET',
    '/example1/example2/../..',
    HOST,
    '',
    '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  ],
  [
    'get-slashes',
    'GET',
    '//example//',
    HOST,
    '',
    '9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84',
  ],
  ['post-vanilla', 'POST', '/', HOST, '', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
  [
    'post-x-www-form-urlencoded',
    'POST',
    '/',
    ['Content-Type', 'application/x-www-form-urlencoded', ...HOST],
    'Param1=value1',
    'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  ],
]

for (const [name, method, path, headers, body, signature] of SUITE) {
  test(`a request is signed as in the case ${name} of the test suite of AWS`, () => {
    const value = buildAuthorization({ method, path, headers, bodyHash: hashBody([body]) }, KEY, SCOPE, DATE)
    assert.ok(value.endsWith(`Signature=${signature}`), value)
    assert.ok(
      value.startsWith('AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, '),
    )
  })
}

/** Signed by botocore, the library of AWS for Python, at the same time. */
const SIGNED_BY_AWS = [
  {
    name: 'a Bedrock model with a colon',
    method: 'POST',
    origin: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
    path: '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke',
    contentType: 'application/json',
    body: '{"max_tokens":1}',
    sessionToken: null,
    region: 'eu-west-1',
    signedHeaders: 'content-type;host;x-amz-date',
    signature: 'fab9e05eec18810fe734c66fa117105f5788df6f47253f00de957d786a04e683',
  },
  {
    name: 'a model with a colon that is sent as it is',
    method: 'POST',
    origin: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
    path: '/model/anthropic.claude-v2:1/invoke-with-response-stream',
    contentType: 'application/json',
    body: '{}',
    sessionToken: 'FQoGZXIvYXdzEXAMPLE==',
    region: 'eu-west-1',
    signedHeaders: 'content-type;host;x-amz-date;x-amz-security-token',
    signature: 'c663cc03ee525aeb445d054681139cc53928631f95032d62467a2faa049b5560',
  },
  {
    name: 'an inference profile with a slash',
    method: 'POST',
    origin: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    path: '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0/converse-stream',
    contentType: 'application/json',
    body: '{"messages":[]}',
    sessionToken: 'FQoGZXIvYXdzEXAMPLE==',
    region: 'us-east-1',
    signedHeaders: 'content-type;host;x-amz-date;x-amz-security-token',
    signature: 'cbd605c44e2b75528ddb97c274a03905c6658bd22470774f0d6296c596e0ecde',
  },
  {
    name: 'a port and a query',
    method: 'GET',
    origin: 'http://127.0.0.1:8123',
    path: '/models?b=2&a=1&a=0&c',
    contentType: null,
    body: '',
    sessionToken: null,
    region: 'us-east-1',
    signedHeaders: 'host;x-amz-date',
    signature: '262c0986e275ce2f89011697f446e3a5d5b504636ff2e4e4c2993895e6a44dd0',
  },
  {
    name: 'a body of text that is not ASCII',
    method: 'POST',
    origin: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    path: '/model/a.b-c_d~e/converse',
    contentType: 'application/json; charset=utf-8',
    body: '{"text":"Grüße 漢字 🙂"}',
    sessionToken: null,
    region: 'us-east-1',
    signedHeaders: 'content-type;host;x-amz-date',
    signature: '873cb5572fe2ff0f46642f8d04622d246d4e3997087b57d49242e90ae79aa67d',
  },
  {
    name: 'unusual but valid characters of a path',
    method: 'POST',
    origin: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    path: "/model/it's(a)*test!/converse",
    contentType: null,
    body: 'x',
    sessionToken: null,
    region: 'us-east-1',
    signedHeaders: 'host;x-amz-date',
    signature: 'fbf6da29decb48624d3ea2f602135e2d58a1d572ce7e850d0c4cb566563432c3',
  },
]

for (const { name, signature, ...request } of SIGNED_BY_AWS) {
  test(`${name} is signed as botocore signs it`, () => {
    const { contentType, sessionToken, region, signedHeaders } = request
    const headers = ['host', new URL(request.origin).host, 'x-amz-date', DATE]
    if (contentType !== null) headers.push('content-type', contentType)
    if (sessionToken !== null) headers.push('x-amz-security-token', sessionToken)
    const value = buildAuthorization(
      { method: request.method, path: request.path, headers, bodyHash: hashBody([request.body]) },
      { ...KEY, sessionToken },
      { region, service: 'bedrock' },
      DATE,
    )
    assert.is(
      value,
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/${region}/bedrock/aws4_request, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    )
  })
}

test('the hash of a body does not depend on how it is cut', () => {
  const body = Buffer.from('{"messages":[]}')
  for (let at = 0; at <= body.length; at++)
    assert.is(hashBody([body.subarray(0, at), body.subarray(at)]), hashBody([body]))
})

test('values of one header are joined in their order, and headers are sorted by name', () => {
  const { canonical, signedHeaders } = buildCanonicalRequest({
    method: 'GET',
    path: '/',
    headers: ['B', '2', 'a', ' x   y ', 'b', '1'],
    bodyHash: 'h',
  })
  assert.is(signedHeaders, 'a;b')
  assert.is(canonical, 'GET\n/\n\na:x y\nb:2,1\n\na;b\nh')
})

test('parameters with the same name are sorted by value, and one that is badly encoded is taken as it is', () => {
  const { canonical } = buildCanonicalRequest({
    method: 'GET',
    path: '/?b=%7e&b=!&a=%zz&a',
    headers: [],
    bodyHash: 'h',
  })
  assert.is(canonical.split('\n')[2], 'a=&a=%25zz&b=%21&b=~')
})

test.run()
