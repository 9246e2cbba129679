import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, selfSigned } from '../../../scripts/certificate.js'
import { deriveKeyId, hashKey } from '../../../src/access/key.js'
import { Front, type FrontPlace, fillIn, findProgram, readJsonLines } from './front.js'
import { findPorts } from './ports.js'
import { DIRECT_CREDENTIAL } from './provider.js'

/** Another Caddy by its path in `CADDY`, to see what a newer version does. */
export const CADDY = findProgram([process.env.CADDY ?? 'caddy', '/usr/bin/caddy'], 'version')

/** Whether this version ends a response that was cut as if it were complete. */
export const HIDES_CUTS =
  CADDY !== undefined && /^v?2\.[0-6]\./.test(spawnSync(CADDY, ['version']).stdout.toString())

const HOST = 'llm.example.com'

/** A real Caddy from `scripts/deploy/Caddyfile`, with its numbered places filled in. */
export class CaddyFront {
  readonly front: Front
  readonly certificate: Certificate
  readonly listFile: string
  readonly logFile: string
  private readonly folder: string

  private constructor(front: Front, certificate: Certificate, folder: string) {
    this.front = front
    this.certificate = certificate
    this.folder = folder
    this.listFile = join(folder, 'keys')
    this.logFile = join(folder, 'direct.log')
  }

  /** What a client has to know of it. */
  get target(): { port: number; host: string; ca: string } {
    return { port: this.front.port, host: HOST, ca: this.certificate.cert }
  }

  /** Reads the files again, as systemd does it. Resolves when the new config applies. */
  async reload(): Promise<void> {
    const child = spawn(CADDY as string, this.reloadArgs)
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error('caddy did not take its config again')
  }

  /** The command for a reload, as `--then` of `thinwire keys export` takes it. */
  get reloadCommand(): string {
    return [CADDY, ...this.reloadArgs].join(' ')
  }

  private get reloadArgs(): string[] {
    const { folder } = this
    const args = ['reload', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile', '--force']
    return [...args, '--address', `unix/${join(folder, 'admin.sock')}`]
  }

  get log(): Array<Record<string, unknown>> {
    return readJsonLines(this.logFile)
  }

  /** @param keys those that may go direct */
  static async start(options: FrontPlace, keys: readonly string[]): Promise<CaddyFront> {
    const { relayPorts, providerPort } = options
    const folder = join(options.folder, 'caddy')
    mkdirSync(folder, { recursive: true })
    const certificate = selfSigned(HOST)
    const [port = 0] = await findPorts(1)
    const name = (file: string): string => join(folder, file)
    writeFileSync(name('front.pem'), certificate.cert)
    writeFileSync(name('front.key'), certificate.key, { mode: 0o600 })
    writeFileSync(name('provider-ca.pem'), options.providerCa)
    writeCaddyList(name('keys'), keys)
    const recipe = fillIn('scripts/deploy/Caddyfile', [
      [
        /^\{$/m,
        `{\n\tadmin unix/${name('admin.sock')}\n\tauto_https disable_redirects\n\thttps_port ${port}\n\tdefault_bind 127.0.0.1\n\tstorage file_system ${folder}`,
      ],
      [/^llm\.example\.com \{$/m, `${HOST} {\n\ttls ${name('front.pem')} ${name('front.key')}`],
      ['127.0.0.1:4000', `127.0.0.1:${relayPorts[0]}`],
      ['127.0.0.1:4001', `127.0.0.1:${relayPorts[1]}`],
      ['/etc/caddy/thinwire-direct-keys', name('keys')],
      ['/var/log/caddy/thinwire-direct.log', name('direct.log')],
      ['https://api.openai.com', `https://127.0.0.1:${providerPort}`],
      [
        'tls_server_name api.openai.com',
        `tls_server_name api.openai.com\n\t\t\t\t\t\ttls_trusted_ca_certs ${name('provider-ca.pem')}`,
      ],
    ])
    writeFileSync(name('Caddyfile'), recipe)
    const front = await Front.start({
      program: CADDY as string,
      args: ['run', '--config', name('Caddyfile'), '--adapter', 'caddyfile'],
      port,
      folder,
      env: { OPENAI_API_KEY: DIRECT_CREDENTIAL },
    })
    return new CaddyFront(front, certificate, folder)
  }
}

/** The file of `thinwire keys export --format caddy`. */
export function writeCaddyList(file: string, keys: readonly string[]): void {
  const lines = keys.map((key) => {
    const [, env, team, user] = key.split('_')
    return `\t"~^(?i:bearer) +${key}$" "${deriveKeyId(hashKey(key))}:${env}:${team}:${user}"\n`
  })
  const text = `map {http.request.header.Authorization} {thinwire_direct_key} {\n${lines.join('')}\tdefault ""\n}\n`
  writeFileSync(file, text, { mode: 0o600 })
}
