import { findHeader, type HttpResponse } from './http-request.js'

/** The proxy, tunnel or edge in front of the relay, if it can be identified. */
export type Front = 'nginx' | 'caddy' | 'cloudflare' | 'ngrok' | 'tailscale'

/** Names for messages. */
export const FRONT_NAMES: Readonly<Record<Front, string>> = {
  nginx: 'nginx',
  caddy: 'Caddy',
  cloudflare: 'Cloudflare',
  ngrok: 'ngrok',
  tailscale: 'Tailscale Funnel',
}

/** Tunnels and edges by the host names that they give, or by the names that a host is an alias of. */
const NAMES: ReadonlyArray<readonly [RegExp, Front]> = [
  [/(?:^|\.)(?:trycloudflare\.com|cfargotunnel\.com|cdn\.cloudflare\.net)$/, 'cloudflare'],
  [/(?:^|\.)ngrok(?:-free|-free\.dev)?\.(?:app|dev|io|pizza)$|(?:^|\.)ngrok-cname\.com$/, 'ngrok'],
  [/\.ts\.net$/, 'tailscale'],
]

/** Identifies a tunnel or edge by a host name. @returns null if it is none of them */
export function identifyFrontByName(name: string): Front | null {
  return NAMES.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1] ?? null
}

/**
 * Identifies the front by a response that the relay made itself. The response of an upstream has headers of the
 * upstream's own front.
 */
export function identifyFront(response: HttpResponse): Front | null {
  const server = findHeader(response, 'server') ?? ''
  if (findHeader(response, 'cf-ray') !== undefined || /^cloudflare\b/i.test(server)) return 'cloudflare'
  if (findHeader(response, 'ngrok-error-code') !== undefined) return 'ngrok'
  if (/^(?:nginx|openresty)\b/i.test(server)) return 'nginx'
  return /\bcaddy\b/i.test(`${server} ${findHeader(response, 'via') ?? ''}`) ? 'caddy' : null
}

/** A problem that a front causes. */
export type FrontProblem =
  | 'held'
  | 'compressed'
  | 'close'
  | 'http10'
  | 'body'
  | 'header'
  | 'unreachable'
  | 'cors'
  | 'prefix'
  | 'credential'
  | 'login'
  | 'rate'
  | 'method'
  | 'forbidden'
/** Settings that solve a problem, by front. */
export type Remedies = Readonly<Partial<Record<Front, string>>>

/** The settings that solve each problem, as the front's configuration has them. */
const REMEDIES: Readonly<Record<FrontProblem, Remedies>> = {
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
    caddy: 'encode with a matcher that excludes text/event-stream, or no encode',
    cloudflare: 'a compression rule that excludes text/event-stream',
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
    cloudflare: 'the plan allows 100 MB; look for a WAF rule on the size of bodies',
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
    nginx: 'forward OPTIONS to the relay: no return, limit_except or add_header for it',
    caddy: 'forward OPTIONS to the relay: no respond or header for it',
    cloudflare: 'Access: "Bypass OPTIONS requests to origin" in its CORS settings; no header rules',
  },
  prefix: {
    nginx: 'location /PREFIX/ { proxy_pass http://127.0.0.1:4000/; } with a slash at the end of both',
    caddy: 'handle_path /PREFIX/* in place of handle: it removes the prefix',
    cloudflare: 'a host name of its own for the relay: a tunnel removes no prefix',
  },
  credential: {
    nginx:
      'proxy_set_header Authorization $http_authorization; in the location, and no other line that sets it',
    caddy: 'no header_up -Authorization, and no header_up Authorization, in reverse_proxy',
    cloudflare: 'no Transform Rule or Worker that removes the request header Authorization',
  },
  login: {
    nginx: 'auth_basic off; in the location of the relay',
    caddy: 'no basic_auth for the paths of the relay',
    cloudflare: 'Access: a Bypass policy for the host of the relay',
  },
  rate: {
    nginx:
      'limit_req with burst=50 nodelay (an agent sends many requests at once), or no limit_req and limit_conn',
    caddy: 'a larger rate_limit, or none',
    cloudflare: 'a rate limiting rule that leaves the host of the relay out',
  },
  method: {
    nginx: 'no limit_except, and no deny or return for POST, in the location of the relay',
    caddy: 'no matcher that takes POST away from reverse_proxy, such as method GET',
    cloudflare: 'a WAF rule that skips the host of the relay',
  },
  forbidden: {
    nginx: 'no deny in the location of the relay; look for a firewall module, too (error.log tells)',
    caddy: 'no respond 403, and no remote_ip matcher, for the paths of the relay',
    cloudflare: 'a WAF rule that skips the host of the relay, also for bot fight mode',
  },
}

/** Finds the settings that solve a problem, one line each: for the known front, or for each common one. */
export function findRemedy(problem: FrontProblem, front: Front | null): string[] {
  const remedies = REMEDIES[problem]
  const known = front === null ? undefined : remedies[front]
  if (front !== null && known !== undefined) return [`${FRONT_NAMES[front]}: ${known}`]
  return (Object.keys(remedies) as Front[])
    .filter((each) => each === 'nginx' || each === 'caddy' || each === 'cloudflare')
    .map((each) => `${FRONT_NAMES[each]}: ${remedies[each]}`)
}
