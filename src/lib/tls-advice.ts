const UNKNOWN_AUTHORITY =
  'its certificate is of an authority that is not trusted; name that authority in tls.caFile'

const CLIENT_CERTIFICATE = 'it wants a client certificate, which the relay cannot send'

/** What codes of OpenSSL and of Node mean for the config of an upstream. */
const ADVICE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; is the clock of this machine right?',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another name; give that name as tls.servername, or correct the baseUrl',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'it does not speak HTTP/1.1, which the relay needs',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'it does not speak HTTP/1.1, which the relay needs',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: CLIENT_CERTIFICATE,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: CLIENT_CERTIFICATE,
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; its baseUrl may have to begin with http:',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks only versions of TLS that are too old',
}

/** An error code and, if it is about TLS, what it means: `CERT_HAS_EXPIRED: its certificate has expired`. */
export function adviseOnTls(code: string): string {
  const advice = Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined
  return advice === undefined ? code : `${code}: ${advice}`
}
