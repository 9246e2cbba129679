import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { readLock } from './lock.js'
import { checkLock } from './lock-rules.js'
import { checkPack } from './pack-check.js'
import { makeProvenance, type ReleaseFile } from './provenance.js'
import { makeSbom } from './sbom.js'

const USAGE = `node dist/scripts/release/release.js FOLDER [--built] [--allow-changes] [--builder URI]

Writes a release into an empty folder: the package of npm, its SBOM, where it
comes from (provenance) and SHA256SUMS. Nothing is sent anywhere.

  --built           pack dist as it is, without a new build
  --allow-changes   also if files differ from the commit; the provenance says so
  --builder URI     who makes the release; default urn:thinwire:by-hand
`

/** The release cannot be made. The message says what to change. */
class ReleaseError extends Error {}

/** How `makeRelease` is to work: see `USAGE`. */
export interface ReleaseOptions {
  readonly isBuilt: boolean
  readonly allowChanges: boolean
  readonly builder: string
  /** `SOURCE_DATE_EPOCH`; null: there is no time in the documents. */
  readonly epoch: number | null
}

/**
 * Makes a release.
 * @param root the clone, with its packages installed
 * @param target is created, and must be empty
 * @returns the names of its files
 * @throws {ReleaseError}
 */
export function makeRelease(root: string, target: string, options: ReleaseOptions): string[] {
  if (existsSync(target) && !statSync(target).isDirectory())
    throw new ReleaseError(`${target} is a file: name a new folder`)
  mkdirSync(target, { recursive: true })
  if (readdirSync(target).length > 0) throw new ReleaseError(`${target} is not empty: name a new folder`)
  const lock = readLock(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  refuse('package-lock.json', checkLock(lock, dependencies.undici ?? ''))
  const commit = run(root, 'git', ['rev-parse', 'HEAD']).trim()
  // Whatever the settings of git hide from the person: a file that is not in the commit is built and packed, too.
  const all = ['-c', 'core.excludesFile=', 'status', '--porcelain', '--untracked-files=all']
  const isDirty = run(root, 'git', [...all, '--ignore-submodules=none']) !== ''
  if (isDirty && !options.allowChanges)
    throw new ReleaseError('files differ from the commit: commit them, or use --allow-changes')
  const packed = pack(root, target, options.isBuilt)
  refuse('the package', checkPack(packed.paths))

  const sbom = `${lock.name}-${lock.version}.cdx.json`
  writeJson(join(target, sbom), makeSbom(lock, options.epoch))
  const subjects = [packed.name, sbom].map((name) => hashFile(target, name))
  const provenance = `${lock.name}-${lock.version}.intoto.json`
  const npmVersion = runNpm(root, ['--version']).trim()
  const build = { commit, isDirty, nodeVersion: process.versions.node, npmVersion, builder: options.builder }
  writeJson(join(target, provenance), makeProvenance(subjects, lock, { ...build, epoch: options.epoch }))
  const sums = [...subjects, hashFile(target, provenance)].map(({ name, sha256 }) => `${sha256}  ${name}\n`)
  writeFileSync(join(target, 'SHA256SUMS'), sums.join(''))
  return [packed.name, sbom, provenance, 'SHA256SUMS']
}

function pack(
  root: string,
  target: string,
  isBuilt: boolean,
): { readonly name: string; readonly paths: string[] } {
  // npm runs in the clone, where a relative path would be another one.
  const args = ['pack', '--json', '--loglevel', 'error', '--pack-destination', resolve(target)]
  const text = runNpm(root, isBuilt ? [...args, '--ignore-scripts'] : args)
  // npm 12 may give an object by name in place of a list.
  const [packed] = Object.values(
    JSON.parse(text) as Record<string, { filename: string; files: { path: string }[] }>,
  )
  if (packed === undefined) throw new ReleaseError('npm pack has packed nothing')
  return { name: packed.filename, paths: packed.files.map(({ path }) => path) }
}

function refuse(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new ReleaseError(`${what} cannot be released:\n  ${problems.join('\n  ')}`)
}

function hashFile(folder: string, name: string): ReleaseFile {
  return {
    name,
    sha256: createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex'),
  }
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}

/** Runs the npm by which this program was started, if it was, as there may be several. */
function runNpm(root: string, args: readonly string[]): string {
  const npm = process.env.npm_execpath
  return npm === undefined ? run(root, 'npm', args) : run(root, process.execPath, [npm, ...args])
}

function run(root: string, program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new ReleaseError(`${program} ${args.join(' ')} failed: ${stderr?.trim() || message}`)
  }
}

/** `SOURCE_DATE_EPOCH`: see https://reproducible-builds.org/specs/source-date-epoch/ */
function readEpoch(text: string | undefined): number | null {
  if (text === undefined || text === '') return null
  if (!/^\d{1,11}$/.test(text)) throw new ReleaseError('SOURCE_DATE_EPOCH must be seconds since 1970')
  return Number(text)
}

function main(): number {
  const print = (text: string): void => void process.stderr.write(`${text}\n`)
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        built: { type: 'boolean' },
        'allow-changes': { type: 'boolean' },
        builder: { type: 'string' },
      },
    })
    const [target] = positionals
    if (target === undefined || positionals.length > 1) throw new TypeError('name one folder')
    const names = makeRelease(fileURLToPath(new URL('../../../', import.meta.url)), target, {
      isBuilt: values.built === true,
      allowChanges: values['allow-changes'] === true,
      builder: values.builder ?? 'urn:thinwire:by-hand',
      epoch: readEpoch(process.env.SOURCE_DATE_EPOCH),
    })
    for (const name of names) process.stdout.write(`${join(target, name)}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof ReleaseError) && !(error instanceof TypeError)) throw error
    print(`release: ${error.message}`)
    if (error instanceof TypeError) print(USAGE)
    return error instanceof TypeError ? 2 : 1
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main()
