/** What the start has to tell. */
export interface Banner {
  readonly version: string
  /** Where a program on this machine reaches the relay. */
  readonly url: string
  /** Reached from other machines. */
  readonly open: boolean
  /** Names of the upstreams, null for the demo. */
  readonly upstreams: readonly string[] | null
  readonly mode: 'keys' | 'passthrough' | 'off'
  /** The key that was issued just now; it is never shown again. */
  readonly key: string | null
  readonly activeKeys: number
  readonly keyFile: string
  readonly configFile: string | null
  /** Where metrics are read; null: nowhere. */
  readonly metricsUrl: string | null
}

/** The text of the start: where it listens, what is behind it, and lines to paste. Within 80 columns, save for URLs. */
export function formatBanner(banner: Banner): string {
  const lines = [`Thinwire ${banner.version} listens on ${banner.url}`, '']
  if (banner.configFile !== null) lines.push(`  Config     ${banner.configFile}`)
  if (banner.upstreams === null) {
    lines.push(
      '  Upstream   the built-in demo, as no provider key is set. For real models',
      '             set OPENAI_API_KEY or ANTHROPIC_API_KEY and start again.',
    )
  } else {
    lines.push(`  Upstream   ${banner.upstreams.join(', ')}`)
  }
  if (banner.metricsUrl !== null) lines.push(`  Metrics    ${banner.metricsUrl}`)
  lines.push(...keyLines(banner), '', ...tryLines(banner), '', ...cursorLines(banner))
  return lines.join('\n')
}

function keyLines(banner: Banner): string[] {
  switch (banner.mode) {
    case 'passthrough':
      return ["  Keys       passthrough: clients send the provider's own key"]
    case 'off':
      return ['  Keys       off: every program on this machine may use it']
    case 'keys':
      if (banner.key !== null) {
        return [
          `  Keys       ${banner.keyFile}; it was empty, so here is a first key.`,
          '             It is shown this once:',
          '',
          `    ${banner.key}`,
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
  const key = banner.key ?? (banner.mode === 'passthrough' ? 'YOUR-PROVIDER-KEY' : 'YOUR-KEY')
  const auth = banner.mode === 'off' ? [] : [`     -H 'Authorization: Bearer ${key}' \\`]
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
        : (banner.key ?? 'the lc_ key')
  return [
    '  In Cursor, Settings > Models > API Keys:',
    '',
    `    OpenAI API Key             ${key}`,
    '    Override OpenAI Base URL   https://YOUR-PUBLIC-HOST/cursor/v1',
    '',
    "  Cursor's own servers make the calls, so this machine's address will not do:",
    `  put a public HTTPS address in front of ${banner.url} (see README).`,
    '',
  ]
}
