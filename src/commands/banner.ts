import { relative } from 'node:path'
import { findKeyFault } from '../access/key-limits.js'
import type { Keyring } from '../access/keyring.js'
import type { Ports } from '../app/ports.js'
import type { Config } from '../config/config.js'
import { VERSION } from '../version.js'
import type { FirstKey } from './first-key.js'
import { formatAddress, formatOrigin, isEveryInterface } from './listening.js'
import type { PageLink } from './page-link.js'

/** What the banner shows. */
export interface Banner {
  readonly version: string
  /** Where a program on this machine reaches the relay. */
  readonly url: string
  /** `HOST:PORT` if the relay listens on every network interface of the machine, else null. */
  readonly everyInterface: string | null
  /** Processes that serve requests. */
  readonly workers: number
  /** Names of the upstreams; null for the demo. */
  readonly upstreams: readonly string[] | null
  readonly mode: 'keys' | 'passthrough' | 'off'
  /** The key that was issued at this start, if it is shown here. It is shown this once. */
  readonly key: string | null
  /** The file that has the key of this start; null if none was issued, or it is shown. */
  readonly firstKeyFile: string | null
  readonly activeKeys: number
  readonly keyFile: string
  readonly configFile: string | null
  /** Null if metrics are off. */
  readonly metricsUrl: string | null
  /** Null without a page. */
  readonly page: PageLink | null
}

/** What a relay is made from. */
export interface DescribedRelay {
  readonly config: Config
  /** Null where there is no key file. */
  readonly keyring: Pick<Keyring, 'list'> | null
}

/** @param first the first key, if it was issued just now @param page null if there is none */
export function describeRelay(
  { config, keyring }: DescribedRelay,
  ports: Ports,
  first: FirstKey | null,
  page: PageLink | null,
  isDemo: boolean,
): Banner {
  const { host, port, metricsHost, metricsPort } = ports
  const metricsOrigin =
    metricsHost === null || metricsPort === null ? null : formatOrigin(metricsHost, metricsPort)
  return {
    version: VERSION,
    url: formatOrigin(host, port, config.listen.tls !== null),
    everyInterface: isEveryInterface(host) ? formatAddress({ host, port }) : null,
    workers: config.workers,
    upstreams: isDemo ? null : config.upstreams.map(({ name }) => name),
    mode: config.keys.mode,
    key: first?.file === null ? first.key : null,
    firstKeyFile: first === null || first.file === null ? null : shortenPath(first.file),
    activeKeys: keyring?.list().filter((record) => findKeyFault(record) === null).length ?? 0,
    keyFile: shortenPath(config.keys.file),
    configFile: config.file === null ? null : relative(process.cwd(), config.file),
    metricsUrl: metricsOrigin === null ? null : `${metricsOrigin}/metrics`,
    page,
  }
}

/**
 * The text that a start prints: where the relay listens, its upstreams, and lines to paste. At most 80 columns wide,
 * but for URLs and keys.
 */
export function formatBanner(banner: Banner): string {
  const lines = headLines(banner)
  if (banner.configFile !== null) lines.push(`  Config     ${banner.configFile}`)
  if (banner.workers > 1) lines.push(`  Workers    ${banner.workers}`)
  if (banner.upstreams === null) {
    lines.push(
      '  Upstream   the built-in demo, as no provider key is set. For real models',
      '             set OPENAI_API_KEY or ANTHROPIC_API_KEY and start again.',
    )
  } else {
    lines.push(`  Upstream   ${banner.upstreams.join(', ')}`)
  }
  if (banner.metricsUrl !== null) lines.push(`  Metrics    ${banner.metricsUrl}`)
  lines.push(...pageLines(banner))
  lines.push(...keyLines(banner), '', ...tryLines(banner), '', ...cursorLines(banner))
  return lines.join('\n')
}

/** A path as a person in the current folder would write it. */
function shortenPath(file: string): string {
  const path = relative(process.cwd(), file)
  return path === '' || path.startsWith('..') ? file : path
}

/** A path as one word of a shell. */
function quoteForShell(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function headLines({ version, url, everyInterface }: Banner): string[] {
  if (everyInterface === null) return [`Thinwire ${version} listens on ${url}`, '']
  const port = everyInterface.slice(everyInterface.lastIndexOf(':') + 1)
  return [
    `Thinwire ${version} listens on ${everyInterface}, that is on every network interface`,
    '',
    `  Reach it   at ${url} on this machine,`,
    `             at ${url.slice(0, url.indexOf(':'))}://THIS-MACHINE:${port} from others`,
  ]
}

function pageLines({ page }: Banner): string[] {
  if (page === null) return []
  const { origin, link, file, problem } = page
  if (link !== null)
    return ['  Page       for operators; this link is good for one sign-in:', '', `    ${link}`, '']
  if (file === null) return [`  Page       ${origin}`]
  if (problem !== null)
    return [
      `  Page       ${origin}; operators cannot sign in, as ${problem} keeps the`,
      `             link from ${shortenPath(file)}. Set admin.token in the config.`,
    ]
  return [
    `  Page       ${origin}; a link for one sign-in is in a file that`,
    '             only you can read:',
    '',
    `    cat ${quoteForShell(shortenPath(file))}`,
    '',
  ]
}

function keyLines(banner: Banner): string[] {
  switch (banner.mode) {
    case 'passthrough':
      return ["  Keys       passthrough: clients send the provider's own key"]
    case 'off':
      return ['  Keys       off: every program on this machine may use the relay']
    case 'keys':
      if (banner.key !== null) {
        return [
          `  Keys       ${banner.keyFile}; it had no key, so this one was issued.`,
          '             It is shown only this once:',
          '',
          `    ${banner.key}`,
        ]
      }
      if (banner.firstKeyFile !== null) {
        const file = quoteForShell(banner.firstKeyFile)
        return [
          `  Keys       ${banner.keyFile}; it had no key, so one was issued. This`,
          '             output may be kept as a log, so the key is in a file that',
          '             only you can read. Delete the file once you have the key:',
          '',
          `    cat ${file}`,
          `    rm ${file}`,
        ]
      }
      return banner.activeKeys > 0
        ? [`  Keys       ${banner.activeKeys} active in ${banner.keyFile}`]
        : [
            `  Keys       none active in ${banner.keyFile}. Issue one:`,
            '             npx thinwire keys add --env dev --team team1 --user me',
          ]
  }
}

function tryLines(banner: Banner): string[] {
  const auth = banner.mode === 'off' ? [] : [`     -H ${quoteAuthorization(banner)} \\`]
  return [
    '  Try it:',
    '',
    `    curl -N ${banner.url}/v1/chat/completions \\`,
    ...auth,
    `     -H 'Content-Type: application/json' \\`,
    `     -d '{"model":"${exampleModel(banner)}","stream":true,"messages":`,
    `          [{"role":"user","content":"Hello"}]}'`,
  ]
}

/** The header of the `curl` command, as one word of a shell. */
function quoteAuthorization({ key, firstKeyFile, mode }: Banner): string {
  if (firstKeyFile !== null) return `"Authorization: Bearer $(cat ${quoteForShell(firstKeyFile)})"`
  const text = key ?? (mode === 'passthrough' ? 'YOUR-PROVIDER-KEY' : 'YOUR-KEY')
  return `'Authorization: Bearer ${text}'`
}

function exampleModel(banner: Banner): string {
  if (banner.upstreams === null) return 'thinwire-demo'
  if (banner.upstreams.includes('openai')) return 'gpt-4o-mini'
  return banner.upstreams.includes('anthropic') ? 'claude-haiku-4-5' : 'YOUR-MODEL'
}

function cursorLines(banner: Banner): string[] {
  const key =
    banner.mode === 'off'
      ? 'anything'
      : banner.mode === 'passthrough'
        ? "the provider's own key"
        : (banner.key ?? (banner.firstKeyFile === null ? 'the lc_ key' : `the key in ${banner.firstKeyFile}`))
  return [
    '  In Cursor, Settings > Models > API Keys:',
    '',
    `    OpenAI API Key             ${key}`,
    '    Override OpenAI Base URL   https://YOUR-PUBLIC-HOST/cursor/v1',
    '',
    ...reachLines(banner),
    '',
  ]
}

/** With TLS, the relay may be public by itself; whether it is reached from outside cannot be told from here. */
function reachLines({ url }: Banner): string[] {
  if (url.startsWith('https:'))
    return [
      "  Cursor's own servers call the relay: YOUR-PUBLIC-HOST is a name of its",
      '  certificate, which has to lead to this machine from outside (see README).',
    ]
  return [
    "  Cursor's own servers call the relay, and they cannot reach this machine:",
    `  put a public HTTPS address in front of ${url} (see README).`,
  ]
}
