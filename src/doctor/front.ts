import { type Answer, findHeader } from './wire.js'

/** What stands in front of the relay, as far as it can be told. */
export type Front = 'nginx' | 'caddy' | 'cloudflare' | 'ngrok' | 'tailscale'

export const FRONT_NAMES: Readonly<Record<Front, string>> = {
  nginx: 'nginx',
  caddy: 'Caddy',
  cloudflare: 'Cloudflare',
  ngrok: 'ngrok',
  tailscale: 'Tailscale Funnel',
}

/** Tunnels and edges by the names that they give, of the host or of what it is an alias of. */
const NAMES: ReadonlyArray<readonly [RegExp, Front]> = [
  [/(?:^|\.)(?:trycloudflare\.com|cfargotunnel\.com|cdn\.cloudflare\.net)$/, 'cloudflare'],
  [/(?:^|\.)ngrok(?:-free|-free\.dev)?\.(?:app|dev|io|pizza)$|(?:^|\.)ngrok-cname\.com$/, 'ngrok'],
  [/\.ts\.net$/, 'tailscale'],
]

export function identifyFrontByName(name: string): Front | null {
  return NAMES.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1] ?? null
}

/**
 * Who handed on an answer that the relay gave itself. One of an upstream will not do: it has the headers of whatever stands
 * in front of that.
 */
export function identifyFront(answer: Answer): Front | null {
  const server = findHeader(answer, 'server') ?? ''
  if (findHeader(answer, 'cf-ray') !== undefined || /^cloudflare\b/i.test(server)) return 'cloudflare'
  if (findHeader(answer, 'ngrok-error-code') !== undefined) return 'ngrok'
  if (/^(?:nginx|openresty)\b/i.test(server)) return 'nginx'
  return /\bcaddy\b/i.test(`${server} ${findHeader(answer, 'via') ?? ''}`) ? 'caddy' : null
}

/** What a front may do wrong. */
export type Ailment = 'held' | 'compressed' | 'close' | 'http10' | 'body' | 'header' | 'unreachable' | 'cors'
export type Remedies = Readonly<Partial<Record<Front, string>>>

/** The settings that mend it, as they are written in each one's configuration. */
const REMEDIES: Readonly<Record<Ailment, Remedies>> = {
  held: {
    nginx:
      'proxy_buffering off; proxy_http_version 1.1; gzip off; in the location, and no proxy_ignore_headers X-Accel-Buffering',
    caddy:
      'flush_interval -1 in reverse_proxy, no response_buffers there, and no encode for text/event-stream',
    cloudflare:
      'a named tunnel instead of a quick one; no rule or Worker that rewrites bodies or the type text/event-stream',
  },
  compressed: {
    nginx: 'gzip off; in the location, or gzip_types without text/event-stream and *',
    caddy: 'encode with a matcher that leaves text/event-stream out, or no encode',
    cloudflare: 'a compression rule that leaves text/event-stream out',
  },
  close: {
    nginx: 'no chunked_transfer_encoding off',
  },
  http10: {
    nginx: 'proxy_http_version 1.1; and proxy_set_header Connection "";',
    caddy: 'transport http { versions 1.1 } in reverse_proxy',
  },
  body: {
    nginx: 'client_max_body_size 32m; in the server block',
    caddy: 'request_body { max_size 64MB }, or no request_body',
    cloudflare: 'its plan allows 100 MB; look for a WAF rule on the size of bodies',
  },
  header: {
    nginx: 'large_client_header_buffers 8 64k; in the server block',
    caddy: 'servers { max_header_size 64KB } in the global options, or without it',
    cloudflare: 'it allows 128 KB; look for a WAF rule on the size of headers',
  },
  unreachable: {
    nginx: 'proxy_pass http://127.0.0.1:4000; with the address that thinwire listens on',
    caddy: 'reverse_proxy 127.0.0.1:4000, with the address that thinwire listens on',
    cloudflare: 'run cloudflared, with service: http://127.0.0.1:4000, where thinwire listens',
    ngrok: 'run ngrok http 4000, with the port that thinwire listens on',
    tailscale: 'tailscale funnel 4000, with the port that thinwire listens on',
  },
  cors: {
    nginx: 'hand OPTIONS on to the relay: no return, limit_except or add_header for it',
    caddy: 'hand OPTIONS on to the relay: no respond or header for it',
    cloudflare: 'Access: "Bypass OPTIONS requests to origin" in its CORS settings; no header rules',
  },
}

/** What to set, a line each: of the front that is there, or of each that may be. */
export function findRemedy(ailment: Ailment, front: Front | null): string[] {
  const remedies = REMEDIES[ailment]
  const known = front === null ? undefined : remedies[front]
  if (front !== null && known !== undefined) return [`${FRONT_NAMES[front]}: ${known}`]
  return (Object.keys(remedies) as Front[])
    .filter((each) => each === 'nginx' || each === 'caddy' || each === 'cloudflare')
    .map((each) => `${FRONT_NAMES[each]}: ${remedies[each]}`)
}
