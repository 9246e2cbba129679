import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, selfSigned } from '../../../scripts/certificate.js'
import { deriveKeyId, hashKey } from '../../../src/access/key.js'
import type { ListedKey } from './direct-list.js'
import { Front, type FrontPlace, fillIn, findProgram } from './front.js'
import { findPorts } from './ports.js'
import { DIRECT_CREDENTIAL } from './provider.js'

export const HAPROXY = findProgram(['haproxy', '/usr/sbin/haproxy'], '-v')

const HOST = 'llm.example.com'

export interface HaproxyOptions extends FrontPlace {
  /** The text of `models.map`. */
  readonly models?: string
  /** Changes of the filled-in recipe, to try another setting. */
  readonly change?: (recipe: string) => string
}

/** A real HAProxy from `scripts/deploy/haproxy.cfg`, with its numbered places filled in. */
export class HaproxyFront {
  readonly front: Front
  readonly certificate: Certificate
  /** Has `keys.map`, `models.map` and `paths.map`. */
  readonly listFolder: string

  private constructor(front: Front, certificate: Certificate, listFolder: string) {
    this.front = front
    this.certificate = certificate
    this.listFolder = listFolder
  }

  /** What a client has to know of it. */
  get target(): { port: number; host: string; ca: string } {
    return { port: this.front.port, host: HOST, ca: this.certificate.cert }
  }

  /** The lines of its access log of direct traffic. */
  get directLog(): Array<Record<string, unknown>> {
    return this.front.output
      .split('\n')
      .filter((line) => line.startsWith('{"thinwire"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** @param keys those that may go direct */
  static async start(options: HaproxyOptions, keys: readonly ListedKey[]): Promise<HaproxyFront> {
    const { relayPorts, providerPort, change = (recipe: string) => recipe } = options
    const folder = join(options.folder, 'haproxy')
    mkdirSync(folder, { recursive: true })
    const certificate = selfSigned(HOST)
    const [port = 0, probeA = 0, probeB = 0] = await findPorts(3)
    writeFileSync(join(folder, `${HOST}.pem`), certificate.cert + certificate.key, { mode: 0o600 })
    writeFileSync(join(folder, 'provider-ca.pem'), options.providerCa)
    writeList(folder, keys, options.models)
    const recipe = fillIn('scripts/deploy/haproxy.cfg', [
      // What needs root.
      [/^ +(user|group|chroot) .*\n/gm, ''],
      ['/etc/haproxy/thinwire', folder],
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['127.0.0.1:4000', `127.0.0.1:${relayPorts[0]}`],
      ['127.0.0.1:4001', `127.0.0.1:${relayPorts[1]}`],
      ['127.0.0.1:4008', `127.0.0.1:${probeA}`],
      ['127.0.0.1:4009', `127.0.0.1:${probeB}`],
      ['check port 4008', `check port ${probeA}`],
      ['check port 4009', `check port ${probeB}`],
      ['abns@thinwire', `abns@t${port}`],
      ['api.openai.com:443', `127.0.0.1:${providerPort}`],
      ['@system-ca', join(folder, 'provider-ca.pem')],
    ])
    const config = join(folder, 'haproxy.cfg')
    writeFileSync(config, change(recipe))
    const front = await Front.start({
      program: HAPROXY as string,
      // With a master process, as systemd runs it.
      args: ['-W', '-S', join(folder, 'master.sock'), '-f', config],
      port,
      folder,
      env: { OPENAI_API_KEY: DIRECT_CREDENTIAL },
      reloadSignal: 'SIGUSR2',
      stopSignal: 'SIGUSR1',
    })
    return new HaproxyFront(front, certificate, folder)
  }
}

const ALL_MODELS = '^fast$ gpt-5-mini\n^claude-.*$ -\n^.*$ =\n'

/** The three files of `thinwire keys export --format haproxy`. */
export function writeList(folder: string, keys: readonly ListedKey[], models = ALL_MODELS): void {
  const lines = keys.map(({ key, until }) => {
    const [, env, team, user] = key.split('_')
    const hash = hashKey(key)
    return `${hash} ${until ?? 0}:${deriveKeyId(hash)}:${env}:${team}:${user}\n`
  })
  writeFileSync(join(folder, 'keys.map'), lines.join(''))
  writeFileSync(join(folder, 'models.map'), models)
  const paths = ['POST:/v1/chat/completions', 'POST:/v1/responses', 'GET:/v1/models']
  writeFileSync(join(folder, 'paths.map'), paths.map((path) => `${path} 1\n`).join(''))
}
