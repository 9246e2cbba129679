import { FRONT_NAMES, type Front } from '../front.js'

/** A problem with failover that a setting of the front solves. */
export type FailoverProblem = 'lost' | 'frozen' | 'twice' | 'back' | 'page' | 'address' | 'forged'

const HAPROXY = 'HAProxy'

/** The settings that solve each problem, by the front that has them. */
const REMEDIES: Readonly<Record<FailoverProblem, Readonly<Record<string, string>>>> = {
  lost: {
    nginx:
      'proxy_next_upstream error timeout; proxy_connect_timeout 2s; and the direct way as a backup server',
    [HAPROXY]: 'option redispatch; retries 3; retry-on conn-failure; and option httpchk GET /readyz',
    Caddy: 'lb_try_duration 5s, lb_try_interval 100ms and health_uri /readyz in reverse_proxy',
  },
  frozen: {
    nginx:
      'it has no health checks: auth_request that asks GET /readyz, with proxy_read_timeout 1s; as in scripts/deploy/nginx.conf',
    [HAPROXY]: 'option httpchk GET /readyz; timeout check 1s; check inter 1s fall 2 for each relay',
    Caddy: 'health_uri /readyz, health_interval 1s and health_timeout 1s in reverse_proxy',
  },
  twice: {
    nginx: 'proxy_next_upstream error timeout; without non_idempotent, which sends a POST once more',
    [HAPROXY]: 'retry-on conn-failure alone: no empty-response, response-timeout or all-retryable-errors',
    Caddy: 'no lb_retry_match that takes POST',
  },
  back: {
    nginx: 'max_fails=1 fail_timeout=2s for each relay',
    [HAPROXY]: 'check inter 1s rise 2 for each relay',
    Caddy: 'health_uri /readyz, health_interval 1s and fail_duration 2s in reverse_proxy',
  },
  page: {
    nginx: 'error_page 502 503 504 with a location that returns an error in JSON',
    [HAPROXY]: 'errorfile 502 and 503 and 504 with an error in JSON',
    Caddy: 'handle_errors with respond and an error in JSON',
  },
  address: {
    nginx: 'proxy_set_header X-Forwarded-For $remote_addr;',
    [HAPROXY]: 'option forwardfor',
    Caddy: 'no header_up X-Forwarded-For: it sets the header itself',
  },
  forged: {
    nginx: 'proxy_set_header X-Forwarded-For $remote_addr;',
    [HAPROXY]: 'http-request del-header x-forwarded-for; before option forwardfor',
    Caddy: 'no header_up X-Forwarded-For, and no trusted_proxies that includes the clients',
  },
}

/** Finds the settings that solve a problem with failover, one line each: for the known front, or for all three. */
export function findFailoverRemedy(problem: FailoverProblem, front: Front | null): string[] {
  const remedies = REMEDIES[problem]
  const name = front === null ? '' : FRONT_NAMES[front]
  const known = remedies[name]
  if (known !== undefined) return [`${name}: ${known}`]
  return Object.entries(remedies).map(([each, text]) => `${each}: ${text}`)
}
