import { ACTIVITY_OF_CODE, ACTIVITY_OF_LOOP, type Activity } from './profile-phases.js'

/** A function as V8's profiler names it. */
export interface CallFrame {
  readonly functionName: string
  readonly url: string
  /** From 0; -1 where there is none. */
  readonly lineNumber: number
}

/** V8's names of what is no function. */
const NO_FUNCTIONS: Readonly<Record<string, string>> = {
  '(garbage collector)': 'garbage collector',
  '(program)': 'native code',
  '(root)': 'native code',
}

/** A function of a profile: where it is, and what it is for. */
export class ProfileFrame {
  /** Of the relay's own code its folder, else the name of a package or of one of Node's modules. */
  readonly module: string
  /** The function and its line: `push json/peek.js:120`. */
  readonly title: string
  /** Waits for events: V8's own mark. */
  readonly isIdle: boolean
  /** What it is for, whoever calls it; null if that depends on the caller. */
  readonly activity: Activity | null
  /** What it is for if no caller tells; null if that is not known. */
  readonly loopActivity: Activity | null

  constructor({ functionName, url, lineNumber }: CallFrame) {
    const own = findOwnPath(url)
    const name = functionName === '' ? '(anonymous)' : functionName
    this.isIdle = url === '' && functionName === '(idle)'
    this.module =
      own === null ? findModule(url, functionName) : own.includes('/') ? own.slice(0, own.indexOf('/')) : own
    const place = own ?? findPlace(this.module, url)
    this.title =
      url === '' ? (NO_FUNCTIONS[name] ?? `${name} (native)`) : `${name} ${place}:${lineNumber + 1}`
    this.activity = own === null ? findNative(url, functionName) : findLongest(ACTIVITY_OF_CODE, own, name)
    this.loopActivity = findLongest(ACTIVITY_OF_LOOP, own ?? this.module, name)
  }
}

/** @returns the path of a file within `src`; null for other code */
function findOwnPath(url: string): string | null {
  const from = url.lastIndexOf('/node_modules/')
  const path = from === -1 ? url : url.slice(from + '/node_modules/'.length)
  const at = path.indexOf('/dist/src/')
  if (at === -1 || (from !== -1 && !path.startsWith('thinwire/dist/'))) return null
  return path.slice(at + '/dist/src/'.length)
}

function findModule(url: string, functionName: string): string {
  if (url === '') return NO_FUNCTIONS[functionName] ?? 'native code'
  // Of `node:internal/streams/readable`, only the folder: there are hundreds of files.
  if (url.startsWith('node:')) return url.replace(/^(node:internal\/[^/]+)\/.*/, '$1')
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? []
  return name ?? 'other code'
}

/** Where other code is: Node's modules have names, packages have files. */
function findPlace(module: string, url: string): string {
  return url.startsWith('node:') ? url : `${module}/${url.slice(url.lastIndexOf('/') + 1)}`
}

function findNative(url: string, functionName: string): Activity | null {
  if (url !== '') return null
  if (functionName === '(garbage collector)') return 'collect'
  return Object.hasOwn(NO_FUNCTIONS, functionName) ? 'native' : null
}

/** @param table by name of a function, a file, a folder or a module @returns null if no name fits */
function findLongest(
  table: Readonly<Record<string, Activity | null>>,
  path: string,
  functionName: string,
): Activity | null {
  const file = path.replace(/\.js$/, '.ts')
  const names = [`${file}#${functionName}`, file]
  for (let at = file.lastIndexOf('/'); at > 0; at = file.lastIndexOf('/', at - 1))
    names.push(file.slice(0, at + 1))
  for (const name of names) {
    const found = Object.hasOwn(table, name) ? table[name] : undefined
    if (found !== undefined) return found
  }
  return null
}
