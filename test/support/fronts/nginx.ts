import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, selfSigned } from '../../../scripts/certificate.js'
import { Front, type FrontPlace, fillIn, findProgram, readJsonLines } from './front.js'
import { findPorts } from './ports.js'
import { DIRECT_CREDENTIAL } from './provider.js'

export const NGINX = findProgram(['nginx', '/usr/sbin/nginx'], '-v')
const NJS = ['/usr/lib/nginx/modules', '/etc/nginx/modules', '/usr/share/nginx/modules']
  .map((folder) => `${folder}/ngx_http_js_module.so`)
  .find((file) => existsSync(file))
/** Whether nginx and njs are there. */
export const HAS_NGINX = NGINX !== undefined && NJS !== undefined

/** The name in the front's certificate. */
export const FRONT_HOST = 'llm.example.com'

export interface NginxOptions extends FrontPlace {
  /** `njs`: nginx-direct.conf; `map`: nginx-direct-map.conf, for the plain list in `map`; `none`: relays alone. */
  readonly direct?: 'njs' | 'map' | 'passthrough' | 'none'
  /** Changes of the filled-in recipe, for a measurement. */
  readonly change?: (recipe: string) => string
}

/** A real nginx from the recipes of `scripts/deploy`, with their numbered places filled in. */
export class NginxFront {
  readonly front: Front
  readonly certificate: Certificate
  /** The direct list that `direct.js` reads, or the include file of the recipe without njs. */
  readonly listFile: string
  readonly logFile: string
  readonly errorFile: string
  /** Where the direct way listens: for tests that go there without the relays. */
  readonly directPort: number

  private constructor(front: Front, certificate: Certificate, files: Files, directPort: number) {
    this.front = front
    this.certificate = certificate
    this.listFile = files.list
    this.logFile = files.log
    this.errorFile = files.errors
    this.directPort = directPort
  }

  get port(): number {
    return this.front.port
  }

  /** What a client has to know of it. */
  get target(): { port: number; host: string; ca: string } {
    return { port: this.port, host: FRONT_HOST, ca: this.certificate.cert }
  }

  /** The lines of its access log of direct traffic. */
  get directLog(): Array<Record<string, unknown>> {
    return readJsonLines(this.logFile)
  }

  /** @param list the direct list, as it is to stand in the file */
  static async start(options: NginxOptions, list: string): Promise<NginxFront> {
    const { relayPorts, direct = 'njs', change = (recipe: string) => recipe } = options
    const folder = join(options.folder, 'nginx')
    mkdirSync(folder, { recursive: true, mode: 0o755 })
    const files = nameFiles(folder, direct)
    const certificate = selfSigned(FRONT_HOST)
    const [port = 0, directPort = 0] = await findPorts(2)
    writeFileSync(files.list, list)
    writeFileSync(files.cert, certificate.cert)
    writeFileSync(files.key, certificate.key, { mode: 0o600 })
    writeFileSync(files.ca, options.providerCa)
    const credential = direct === 'passthrough' ? '$http_authorization' : `"Bearer ${DIRECT_CREDENTIAL}"`
    writeFileSync(files.credential, `proxy_set_header Authorization ${credential};\n`, { mode: 0o600 })
    const ports = { port, directPort, relayPorts, providerPort: options.providerPort }
    const recipes = [
      fillInFront(ports, files),
      ...(direct === 'none' ? [] : [fillInDirect(direct, ports, files)]),
    ]
    writeFileSync(files.config, mainConfig(folder, change(recipes.join('\n'))))
    const front = await Front.start({
      program: NGINX as string,
      args: ['-p', folder, '-c', files.config],
      port,
      folder,
      stopSignal: 'SIGQUIT',
    })
    return new NginxFront(front, certificate, files, directPort)
  }
}

interface Ports {
  readonly port: number
  readonly directPort: number
  readonly relayPorts: readonly number[]
  readonly providerPort: number
}

type Files = ReturnType<typeof nameFiles>

function nameFiles(folder: string, direct: string) {
  const name = (file: string): string => join(folder, file)
  return {
    config: name('nginx.conf'),
    cert: name('front.pem'),
    key: name('front.key'),
    ca: name('provider-ca.pem'),
    credential: name('provider-key.conf'),
    list: name(direct === 'map' ? 'direct-keys.conf' : 'direct.json'),
    log: name('thinwire-direct.log'),
    errors: name('errors.log'),
  }
}

function fillInFront({ port, directPort, relayPorts: [a, b] }: Ports, files: Files): string {
  return fillIn('scripts/deploy/nginx.conf', [
    ['listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
    ['/etc/ssl/llm.example.com.pem', files.cert],
    ['/etc/ssl/llm.example.com.key', files.key],
    ['127.0.0.1:4000', `127.0.0.1:${a}`],
    ['127.0.0.1:4001', `127.0.0.1:${b}`],
    ['127.0.0.1:4009', `127.0.0.1:${directPort}`],
    ['127\\.0\\.0\\.1:4000$', `127\\.0\\.0\\.1:${a}$`],
    ['127\\.0\\.0\\.1:4001$', `127\\.0\\.0\\.1:${b}$`],
    ['127\\.0\\.0\\.1:4009$', `127\\.0\\.0\\.1:${directPort}$`],
  ])
}

function fillInDirect(direct: string, { directPort, providerPort }: Ports, files: Files): string {
  const isMap = direct === 'map'
  return fillIn(`scripts/deploy/${isMap ? 'nginx-direct-map.conf' : 'nginx-direct.conf'}`, [
    ['127.0.0.1:4009', `127.0.0.1:${directPort}`],
    ['https://api.openai.com', `https://127.0.0.1:${providerPort}`],
    ['/etc/ssl/certs/ca-certificates.crt', files.ca],
    ['/etc/nginx/thinwire/provider-key.conf', files.credential],
    ['/var/log/nginx/thinwire-direct.log', files.log],
    ...(isMap
      ? ([['/etc/thinwire/direct-keys.conf', files.list]] as const)
      : ([
          ['/etc/nginx/thinwire/direct.js', join(process.cwd(), 'scripts/deploy/direct.js')],
          ['/run/thinwire-direct/direct.json', files.list],
        ] as const)),
    ...(direct === 'passthrough'
      ? ([['set $thinwire_keys list;', 'set $thinwire_keys passthrough;']] as const)
      : []),
  ])
}

/** What a distribution has around the recipe, less what needs root. */
function mainConfig(folder: string, recipe: string): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n')
  return `load_module ${NJS};
daemon off; worker_processes 2; pid ${folder}/pid; error_log ${folder}/errors.log;
events { worker_connections 4096; }
http { access_log off; ${temp}
${recipe}
}`
}
