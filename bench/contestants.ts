import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, freePort, programOf } from './child.js'
import { renameFor } from './config-names.js'
import { LiveConfig, type Settings } from './live-config.js'
import type { Placement } from './machine.js'
import { type BySize, EVERY_ROUND } from './scenario.js'
import { Viewers } from './viewers.js'
import type { Target } from './wire/stream.js'

/** A program between client and upstream, or the upstream itself. */
export interface Contestant {
  readonly name: string
  /** Thinwire is measured against it. The run continues without a baseline that cannot be started. */
  readonly baseline: boolean
  /** False: it takes part only in scenarios that name it. */
  readonly everywhere: boolean
  /** Most rounds in which it takes part, unless `--rounds` is given. */
  readonly rounds: BySize<number>
  /** @throws if it cannot be started here */
  start(bench: Surroundings): Promise<Running>
}

export interface Surroundings {
  readonly placement: Placement
  readonly upstreamPort: number
  /** The upstream's process, which is the contestant `direct`; null if the upstream runs in this process. */
  readonly upstream: Child | null
  /** The upstream by HTTPS, if that is the one to ask. */
  readonly secure: Secure | null
  /** Flags for Node, such as a profiler or a module that a scenario loads into Thinwire. */
  readonly thinwireFlags: readonly string[]
}

/** The HTTPS side of the bench's upstream. Its certificate is for `localhost` and vouches for itself. */
export interface Secure {
  readonly port: number
  readonly caFile: string
}

/** A started contestant. */
export interface Running extends Target {
  readonly child: Child
  /** The folder of its usage ledger; null if it has none. */
  readonly ledger: string | null
  /**
   * Changes its settings while it runs; null if it has none that can be changed.
   * @param settings makes the new settings from those of the start
   * @param targets number of targets with the new settings
   */
  readonly reconfigure: ((settings: (first: Settings) => Settings, targets: number) => Promise<void>) | null
  stop(): Promise<void>
}

/** The name in the upstream's certificate. */
export const SECURE_NAME = 'localhost'

/** A key for contestants that check none. */
const ANY_KEY = ['authorization: Bearer sk-bench']

export const DIRECT: Contestant = {
  name: 'direct',
  baseline: true,
  everywhere: true,
  rounds: EVERY_ROUND,
  start: async ({ upstream, upstreamPort }) => {
    if (upstream === null) throw new Error('the upstream has no process of its own')
    return {
      name: 'direct',
      port: upstreamPort,
      headers: ANY_KEY,
      child: upstream,
      ledger: null,
      reconfigure: null,
      stop: async () => {},
    }
  },
}

export const TUNNEL = program('tunnel')
export const BARE = program('bare')
/** It has no budget, so a quick run has fewer rounds of it. */
export const EXPRESS = program('express', { rounds: { whole: 100, quick: 2, smoke: 1 } })
export const CONSTANT = program('constant', { everywhere: false })

export const NGINX: Contestant = {
  name: 'nginx',
  baseline: true,
  everywhere: true,
  rounds: EVERY_ROUND,
  start: async ({ placement, upstreamPort, secure }) => {
    const folder = mkdtempSync(join(tmpdir(), 'thinwire-bench-nginx-'))
    const port = await freePort()
    writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, port, upstreamPort, secure))
    const child = Child.program(
      'nginx',
      ['-p', folder, '-c', 'nginx.conf', '-e', join(folder, 'error.log')],
      {
        core: placement.relay,
      },
    )
    await child.listening(port)
    return running('nginx', port, ANY_KEY, child, folder)
  },
}

/**
 * Thinwire as `thinwire start` runs it, with everything on.
 * @param root folder of a checkout that was built
 * @param settings further settings of the config file
 */
export function thinwire(name: string, root: string, settings: Settings = {}): Contestant {
  return {
    name,
    baseline: false,
    everywhere: true,
    rounds: EVERY_ROUND,
    start: async ({ placement, upstreamPort, secure, thinwireFlags }) => {
      const folder = mkdtempSync(join(tmpdir(), 'thinwire-bench-'))
      const port = await freePort()
      const config = join(folder, 'thinwire.json')
      const first = renameFor(root, { ...thinwireConfig(port, upstreamPort, secure), ...settings })
      const live = new LiveConfig(config, first)
      const cli = join(root, 'dist', 'src', 'cli.js')
      const env = { ...process.env, OPENAI_API_KEY: 'sk-bench-0000000000' }
      const key = provideKey(cli, config, env)
      const child = Child.node(
        cli,
        ['start', '--config', config],
        { core: placement.relay, env, cwd: folder, stdout: join(folder, 'log') },
        thinwireFlags,
      )
      await child.ready(port)
      return {
        ...running(name, port, [`authorization: Bearer ${key}`], child, folder),
        ledger: join(folder, 'data'),
        reconfigure: (to, targets) =>
          live.take(renameFor(root, to(live.first)), targets, port, child.process),
      }
    },
  }
}

interface IssuedKey {
  readonly key: string
  readonly file: Buffer
}

/** Key files by the program that has issued them. */
const issuedKeys = new Map<string, IssuedKey>()

/**
 * Puts the key file of this run where the config expects it. All relays of one checkout use the same key, each with its
 * own copy of the file, because issuing a key takes a process.
 */
function provideKey(cli: string, config: string, env: NodeJS.ProcessEnv): string {
  const path = join(dirname(config), 'data', 'keys.jsonl')
  const known = issuedKeys.get(cli)
  if (known !== undefined) {
    mkdirSync(dirname(path))
    writeFileSync(path, known.file, { mode: 0o600 })
    return known.key
  }
  const owner = ['--env', 'bench', '--team', 'team1', '--user', 'user1']
  const issued = spawnSync(process.execPath, [cli, 'keys', 'add', '--config', config, ...owner], {
    encoding: 'utf8',
    env,
  })
  const key = /lc_\S+/.exec(issued.stdout)?.[0]
  if (key === undefined) throw new Error(`no key could be issued: ${issued.stderr}`)
  issuedKeys.set(cli, { key, file: readFileSync(path) })
  return key
}

/** This checkout. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export const THINWIRE = thinwire('thinwire', ROOT)

/** An older Thinwire, beside which a run shows what has become faster. @param root folder of a checkout that was built */
export function lastRelease(root: string): Contestant {
  return { ...thinwire('last', root), baseline: true }
}

/** Thinwire without its cache: the difference is the cost of the cache. */
export const UNCACHED: Contestant = {
  ...thinwire('uncached', ROOT, { cache: { enabled: false } }),
  baseline: true,
  everywhere: false,
}

const WORKERS = thinwire('two-workers', ROOT, { workers: 2 })

/** Thinwire with two workers, on all cores: the difference is what several processes and the primary cost. */
export const TWO_WORKERS: Contestant = {
  ...WORKERS,
  baseline: true,
  everywhere: false,
  start: (bench) => WORKERS.start({ ...bench, placement: { ...bench.placement, relay: null } }),
}

/** Viewers of the page at one time. */
const VIEWERS = 10

/** Thinwire with its page, which ten people have open: the difference is what the page costs. */
export const WATCHED: Contestant = {
  name: 'watched',
  baseline: true,
  everywhere: false,
  rounds: EVERY_ROUND,
  start: async (bench) => {
    const port = await freePort()
    const token = 'bench-token-of-the-page-0123456789'
    process.env.THINWIRE_BENCH_PAGE = token
    const admin = { listen: `127.0.0.1:${port}`, token: { env: 'THINWIRE_BENCH_PAGE' } }
    const started = await thinwire('watched', ROOT, { admin }).start(bench)
    const viewers = await Viewers.open(port, token, VIEWERS)
    return {
      ...started,
      stop: async () => {
        viewers.close()
        await started.stop()
        if (viewers.messages === 0) throw new Error('the page has shown nothing')
      },
    }
  },
}

/** The contestants of every run. Thinwire is last, because it is measured against the others. */
export const CONTESTANTS: readonly Contestant[] = [
  DIRECT,
  TUNNEL,
  NGINX,
  BARE,
  EXPRESS,
  CONSTANT,
  UNCACHED,
  TWO_WORKERS,
  WATCHED,
  THINWIRE,
]

function program(name: string, { rounds = EVERY_ROUND, everywhere = true } = {}): Contestant {
  return {
    name,
    baseline: true,
    everywhere,
    rounds,
    start: async ({ placement, upstreamPort, secure }) => {
      const port = await freePort()
      const upstream = secure === null ? [String(upstreamPort)] : [String(secure.port), secure.caFile]
      const child = Child.node(programOf(`contestants/${name}.js`), [String(port), ...upstream], {
        core: placement.relay,
      })
      await child.listening(port)
      return running(name, port, ANY_KEY, child, null)
    },
  }
}

function running(
  name: string,
  port: number,
  headers: readonly string[],
  child: Child,
  folder: string | null,
): Running {
  return {
    name,
    port,
    headers,
    child,
    ledger: null,
    reconfigure: null,
    stop: async () => {
      await child.stop()
      if (folder !== null) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The config of an operator, with limits that the scenarios do not reach. */
function thinwireConfig(port: number, upstreamPort: number, secure: Secure | null): Settings {
  const place =
    secure === null
      ? { baseUrl: `http://127.0.0.1:${upstreamPort}/v1` }
      : {
          baseUrl: `https://127.0.0.1:${secure.port}/v1`,
          tls: { caFile: secure.caFile, servername: SECURE_NAME },
        }
  return {
    listen: `127.0.0.1:${port}`,
    upstreams: { openai: { ...place, apiKey: { env: 'OPENAI_API_KEY' } } },
    // The bench asks for `/readyz`, as a balancer does, but there is none to wait for at the end: a relay that is not
    // ended by then is killed, and leaves no profile.
    timeouts: { readyGraceMs: 0 },
    limits: {
      maxConcurrentRequestsPerKey: 10_000,
      maxConcurrentRequests: 10_000,
      // All clients of a bench are at one address.
      connectionsPerAddress: 20_000,
    },
  }
}

/** One worker, no buffering, kept connections on both sides: the least that nginx must do to relay streams. */
function nginxConfig(folder: string, port: number, upstreamPort: number, secure: Secure | null): string {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
    const path = join(folder, name)
    mkdirSync(path)
    return `${name}_temp_path ${path};`
  })
  return `
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 16384; }
http {
  ${scratch.join('\n  ')}
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  tcp_nodelay on;
  upstream api { server 127.0.0.1:${secure?.port ?? upstreamPort}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass ${secure === null ? 'http' : 'https'}://api;
      ${secure === null ? '' : nginxTls(secure)}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}
`
}

/** nginx uses sessions again by default (proxy_ssl_session_reuse). */
function nginxTls({ caFile }: Secure): string {
  return (
    `proxy_ssl_trusted_certificate ${caFile}; proxy_ssl_verify on; ` +
    `proxy_ssl_name ${SECURE_NAME}; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3;`
  )
}
